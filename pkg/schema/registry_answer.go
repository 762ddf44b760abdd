package schema

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/sr"
)

// answerError is an answer other than 200, with what sr keeps to itself: who gave it, and what to do. It wraps *sr.ResponseError.
type answerError struct {
	*sr.ResponseError
	advice string // "": none
}

// Error implements error.
func (e *answerError) Error() string {
	s := fmt.Sprintf("%s %s is answered with HTTP %d: %s", e.Method, e.URL, e.StatusCode, oneLine(e.ResponseError.Error()))
	if e.advice != "" {
		s += "; " + e.advice
	}
	return s
}

// Unwrap returns the *sr.ResponseError.
func (e *answerError) Unwrap() error { return e.ResponseError }

// explained says what to do about an error of a request; h is the header of the answer, nil if there was none.
func explained(err error, h http.Header) error {
	var answer *sr.ResponseError
	var certificate *tls.CertificateVerificationError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &answer):
		return &answerError{answer, advice(answer, h)}
	case errors.As(err, &certificate):
		return fmt.Errorf("%w; the certificate must be of a CA that this host trusts, or that registry.tls.ca_file names", err)
	case errors.As(err, &syntax):
		return fmt.Errorf("%w; the answer is not a registry's, or was cut off: check registry.url and what is before the registry", err)
	}
	return err
}

// advice says what to do about an answer that is no word on a schema.
func advice(a *sr.ResponseError, h http.Header) string {
	switch s := a.StatusCode; {
	case s == http.StatusUnauthorized:
		return "the login is not taken: check registry.username and password, or registry.token"
	case s == http.StatusForbidden:
		return "the login may not do this: it needs the right to read and to register schemas of this subject"
	case s == http.StatusNotFound && !notFound(a):
		return "no registry answers at this path: check the path in registry.url, which may have to end in one such as /apis/ccompat/v7"
	case s == http.StatusRequestEntityTooLarge:
		return "a request of this size is not taken: raise the limit of the registry or of the proxy before it"
	case s < 400:
		return "redirects are not followed: set registry.url to where the registry is" + target(h.Get("Location"))
	}
	return ""
}

// target names the place of a redirect, without what may be secret in it.
func target(location string) string {
	u, err := url.Parse(location)
	if err != nil || location == "" {
		return ""
	}
	return " (the redirect names " + (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String() + ")"
}

// notFound tells whether err is a registry's word that it has no such subject, version or schema. Confluent's codes for that begin
// with 404 and have two digits more. A plain 404 comes from a server at whose path there is no registry.
func notFound(err error) bool {
	var answer *sr.ResponseError
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound && answer.ErrorCode/100 == http.StatusNotFound
}

// refusal tells whether err is a registry's word that it does not take a schema. Such an answer is final whoever gives it, and in
// whatever form: nothing may be emitted under a schema that was refused.
func refusal(err error) bool {
	var answer *sr.ResponseError
	return errors.As(err, &answer) && (answer.StatusCode == http.StatusConflict || answer.StatusCode == http.StatusUnprocessableEntity)
}

// maxMessage is how many bytes of a registry's message are kept, maxPage those of an answer that is no registry's.
const (
	maxMessage = 2 << 10
	maxPage    = 200
)

// oneLine makes one short line of an answer, which may be a page for people.
func oneLine(s string) string {
	if strings.HasPrefix(s, "<") {
		return cut(strings.Join(strings.Fields(s), " "), maxPage)
	}
	return bounded(strings.Join(strings.Fields(s), " "))
}

// bounded cuts a message of the far side to a length that fits a log line.
func bounded(s string) string { return cut(s, maxMessage) }

func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
