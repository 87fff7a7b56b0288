package target

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"

	"github.com/streamspace/streamspace/bench/product"
	"github.com/streamspace/streamspace/bench/report"
)

// Template is the catalog entry that runs the scenes in a StreamSpace session.
//
//go:embed bench-scene.yaml
var Template string

// TemplateName is its name.
const TemplateName = "bench-scene"

// installation opens a session of a StreamSpace that runs already.
func (s *Set) installation(ctx context.Context, a address) (*Target, error) {
	if s.options.APIKey == "" {
		return nil, errors.New("an API key is needed: --api-key-file")
	}
	base := *a.url
	base.Scheme = a.url.Scheme[len("streamspace+"):]
	base.RawQuery = ""
	client, err := product.NewBy(base.String(), product.Way{Dial: s.options.Dial, TLS: s.options.tls()})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, client.Close)
	client.UseKey(s.options.APIKey)
	query := a.url.Query()
	if session := query.Get("session"); session != "" {
		return viewersOf(client, session), nil
	}
	template := query.Get("template")
	if template == "" {
		template = s.options.Template
	}
	if template == "" {
		template = TemplateName
	}
	return s.start(ctx, client, template)
}

// start starts a session that ends with the set.
func (s *Set) start(ctx context.Context, client *product.Client, template string) (*Target, error) {
	session, err := client.Start(ctx, template)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() {
		// The run may have been interrupted; the session ends all the same. One
		// that cannot be ended ends by its own idleness.
		_ = client.Stop(context.Background(), session.ID)
	})
	return viewersOf(client, session.ID), nil
}

func viewersOf(client *product.Client, session string) *Target {
	return &Target{origin: origin(client.Base()), page: client.Base() + "/readyz", fresh: func(ctx context.Context) (string, error) {
		return client.Connect(ctx, session)
	}}
}

func origin(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.Scheme + "://" + u.Host
}

// up opens a session of a private StreamSpace.
func (s *Set) up(ctx context.Context) (*Target, error) {
	server, err := product.ServeAt(ctx, s.options.Far, s.options.Server, map[string]string{TemplateName + ".yaml": Template})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, server.Stop)
	client, err := product.NewBy(server.Base, product.Way{Dial: s.options.Dial})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, client.Close)
	if err := client.SignIn(ctx, server.Username, server.Password); err != nil {
		return nil, err
	}
	t, err := s.start(ctx, client, TemplateName)
	if err != nil {
		return nil, fmt.Errorf("%w (streamspace-scene must stand beside streamspace-agent: make build)", err)
	}
	t.pids = []int{server.PID()}
	t.Facts = []report.Fact{XvncVersion(ctx), {Name: "StreamSpace", Value: report.ProgramVersion(ctx, s.options.Server, "version")}}
	return t, nil
}
