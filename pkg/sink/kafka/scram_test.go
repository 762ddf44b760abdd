// scram_test.go shows that the client's messages are those of the examples in RFC 5802's successors, and that a server that does
// not know the password is refused.
package kafka

import "testing"

// TestScramExample is the exchange in RFC 7677, section 3, with its nonce.
func TestScramExample(t *testing.T) {
	c := &scramClient{}
	if err := c.Begin("user", "pencil", ""); err != nil {
		t.Fatal(err)
	}
	if len(c.nonce) < 20 {
		t.Errorf("nonce %q is short", c.nonce)
	}
	c.nonce, c.bare = "rOprNGfwEbeRWgbNEkqO", "n=user,r=rOprNGfwEbeRWgbNEkqO"
	steps := []struct{ server, client string }{
		{"", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"},
		{"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="},
		{"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ""},
	}
	for i, s := range steps {
		if c.Done() {
			t.Fatalf("done before step %d", i+1)
		}
		got, err := c.Step(s.server)
		if err != nil || got != s.client {
			t.Fatalf("step %d: want %q, got %q, %v", i+1, s.client, got, err)
		}
	}
	if !c.Done() {
		t.Error("not done")
	}
}

func TestScramRefusesAWrongServer(t *testing.T) {
	for name, answers := range map[string][]string{
		"another nonce":     {"r=other,s=AAAA,i=4096"},
		"no iterations":     {"r=NONCEx,s=AAAA,i=0"},
		"salt not base64":   {"r=NONCEx,s=!,i=1"},
		"empty":             {""},
		"wrong signature":   {"r=NONCEx,s=AAAA,i=1", "v=AAAA"},
		"server says error": {"r=NONCEx,s=AAAA,i=1", "e=invalid-proof"},
	} {
		c := &scramClient{sha512: true}
		if err := c.Begin("u", "p", ""); err != nil {
			t.Fatal(err)
		}
		c.nonce, c.bare = "NONCE", "n=u,r=NONCE"
		var err error
		if _, err = c.Step(""); err != nil {
			t.Fatal(err)
		}
		for _, a := range answers {
			if _, err = c.Step(a); err != nil {
				break
			}
		}
		if err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
