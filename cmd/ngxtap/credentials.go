package main

import (
	"fmt"
	"log/slog"

	"ngxtap/pkg/config"
	"ngxtap/pkg/login"
	"ngxtap/pkg/sink/kafka"
)

// kafkaConfig returns the daemon's connections for one site, whose tokens all sites share.
func (d *daemon) kafkaConfig(s *config.Site) (kafka.Config, error) {
	kc, err := kafkaConfig(d.cfg, s, d.log)
	kc.SASL.Token = d.tokens
	return kc, err
}

// addCredentials puts what the configuration says of TLS and login into kc. What stands in files is read again whenever connections are
// opened, and a client's certificate for each of them.
func addCredentials(kc *kafka.Config, k *config.Kafka, log *slog.Logger) error {
	kc.SASL = kafka.SASL{Mechanism: k.SASL.Mechanism, Username: k.SASL.Username}
	for _, e := range k.SASL.Extensions {
		if kc.SASL.Extensions == nil {
			kc.SASL.Extensions = map[string]string{}
		}
		kc.SASL.Extensions[e.Name] = e.Value
	}
	kc.Renew = func() (c kafka.Credentials, err error) {
		if c.Password, err = k.SASL.CurrentPassword(); err != nil {
			return c, fmt.Errorf("kafka.sasl.password: %w", err)
		}
		if k.TLS.On() {
			c.TLS, err = k.TLS.Client()
		}
		return c, err
	}
	now, err := kc.Renew()
	if err != nil {
		return err
	}
	kc.TLS, kc.SASL.Password = now.TLS, now.Password
	kc.SASL.Token, err = newTokens(&k.SASL, k.Brokers, kc.Instance, log)
	return err
}

// newTokens returns where the tokens of a mechanism that has any come from; nil for the others. It asks nobody yet.
func newTokens(s *config.SASL, brokers []string, instance string, log *slog.Logger) (login.Source, error) {
	switch {
	case s.Mechanism == config.MSKIAM:
		return login.NewMSK(login.AWSConfig{Brokers: brokers, Region: s.AWS.Region, Profile: s.AWS.Profile, RoleARN: s.AWS.RoleARN,
			ExternalID: s.AWS.ExternalID, Session: "ngxtap-" + instance}), nil
	case s.Mechanism == config.OAuthBearer && s.Token != "":
		return login.NewStatic(s.CurrentToken), nil
	case s.Mechanism == config.OAuthBearer:
		o := &s.OAuth
		c := login.OAuthConfig{TokenURL: o.TokenURL, ClientID: o.ClientID, Secret: o.CurrentSecret, Post: o.ClientAuth == "post", Scope: o.Scope,
			Audience: o.Audience, Logger: log}
		if o.TLS.On() {
			c.TLS = o.TLS.Client
		}
		return login.NewOAuth(c)
	}
	return nil, nil
}
