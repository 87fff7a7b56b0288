// Package product is a client of StreamSpace's public HTTP interface, as far as
// an experiment needs it: sign in, start a session, get its stream's URL, stop
// it. It knows nothing but the published contract.
package product

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strconv"
	"strings"
	"time"
)

const (
	// requestTimeout bounds one request; none of them waits for a desktop.
	requestTimeout = 30 * time.Second
	// stopTimeout bounds the end of a session.
	stopTimeout = 60 * time.Second
	// pollInterval is how often a state is asked for, off the measured path.
	pollInterval = 100 * time.Millisecond
	// slowDown is the wait when an answer does not say how long.
	slowDown = time.Second
	// maxAnswer bounds an answer's body.
	maxAnswer = 1 << 20
)

// Client is one signed-in account. Once it is, several goroutines may use it.
type Client struct {
	base string // immutable: URL without a slash at its end
	http *http.Client
	csrf string
	key  string // API key; empty when signed in with a password
}

// Way is how a client reaches an installation; the zero value is the usual one.
type Way struct {
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	TLS  *tls.Config
}

// New returns a client that is not signed in.
func New(base string) (*Client, error) { return NewBy(base, Way{}) }

// NewBy is New by way of something.
func NewBy(base string, way Way) (*Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("making a cookie jar: %w", err)
	}
	transport := &http.Transport{DialContext: way.Dial, TLSClientConfig: way.TLS}
	return &Client{base: strings.TrimSuffix(base, "/"), http: &http.Client{Jar: jar, Timeout: requestTimeout, Transport: transport}}, nil
}

// UseKey makes the client act with an API key instead of a sign-in.
func (c *Client) UseKey(key string) { c.key = key }

// Base returns the URL of the installation.
func (c *Client) Base() string { return c.base }

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Problem is an error answer (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Code   string `json:"code"`

	wait time.Duration // that the answer asks for
}

func (p *Problem) Error() string {
	return fmt.Sprintf("HTTP %d %s: %s %s", p.Status, p.Code, p.Title, p.Detail)
}

// Session is what an experiment looks at of a session.
type Session struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// SignIn opens a cookie session.
func (c *Client) SignIn(ctx context.Context, username, password string) error {
	var login struct {
		CSRFToken string `json:"csrfToken"`
	}
	body := map[string]string{"username": username, "password": password}
	if err := c.call(ctx, http.MethodPost, "/auth/login", body, &login); err != nil {
		return fmt.Errorf("signing in as %s: %w", username, err)
	}
	c.csrf = login.CSRFToken
	return nil
}

// Start asks for a new session of the template.
func (c *Client) Start(ctx context.Context, template string) (Session, error) {
	var session Session
	if err := c.call(ctx, http.MethodPost, "/sessions", map[string]string{"template": template}, &session); err != nil {
		return Session{}, fmt.Errorf("starting a session of %s: %w", template, err)
	}
	return session, nil
}

// Running waits until the session's desktop is up.
func (c *Client) Running(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	for {
		var session Session
		if err := c.call(ctx, http.MethodGet, "/sessions/"+id, nil, &session); err != nil {
			return fmt.Errorf("waiting for %s: %w", id, err)
		}
		switch session.State {
		case "running":
			return nil
		case "failed", "stopped":
			return fmt.Errorf("waiting for %s: it is %s: %s", id, session.State, session.Reason)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s, which is %s: %w", id, session.State, ctx.Err())
		case <-time.After(pollInterval):
		}
	}
}

// Connect returns a URL for one viewer, to be used within a minute.
func (c *Client) Connect(ctx context.Context, id string) (string, error) {
	var answer struct {
		URL string `json:"url"`
	}
	if err := c.call(ctx, http.MethodPost, "/sessions/"+id+"/connect", map[string]string{}, &answer); err != nil {
		return "", fmt.Errorf("asking for the stream of %s: %w", id, err)
	}
	return answer.URL, nil
}

// Sessions returns the account's live sessions, the first page of them.
func (c *Client) Sessions(ctx context.Context) ([]Session, error) {
	var page struct {
		Items []Session `json:"items"`
	}
	if err := c.call(ctx, http.MethodGet, "/sessions?scope=mine", nil, &page); err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	return page.Items, nil
}

// Stop ends the session and waits until it has ended.
func (c *Client) Stop(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := c.call(ctx, http.MethodDelete, "/sessions/"+id, nil, nil); err != nil {
		return fmt.Errorf("stopping %s: %w", id, err)
	}
	for {
		var session Session
		err := c.call(ctx, http.MethodGet, "/sessions/"+id, nil, &session)
		var problem *Problem
		if errors.As(err, &problem) && problem.Status == http.StatusNotFound {
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for the end of %s: %w", id, err)
		}
		if session.State == "stopped" {
			return nil
		}
		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the end of %s, which is %s: %w", id, session.State, ctx.Err())
		}
	}
}

// call sends one request; into nil throws the answer away.
func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	for {
		err := c.once(ctx, method, path, body, into)
		slow := new(Problem)
		if !errors.As(err, &slow) || slow.Status != http.StatusTooManyRequests {
			return err
		}
		select { // one account for a thousand people: it waits as it is told
		case <-ctx.Done():
			return err
		case <-time.After(max(slow.wait, slowDown)):
		}
	}
}

func (c *Client) once(ctx context.Context, method, path string, body, into any) error {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("coding the request: %w", err)
		}
		payload = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+"/api/v1"+path, payload)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Origin", c.base)
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	if c.csrf != "" {
		request.Header.Set("X-CSRF-Token", c.csrf)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if response.StatusCode >= 300 {
		problem := &Problem{}
		if json.Unmarshal(text, problem) != nil {
			problem.Title = "an answer that is no problem document"
		}
		problem.Status = response.StatusCode
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
			problem.wait = time.Duration(seconds) * time.Second
		}
		return problem
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading the answer to %s %s: %w", method, path, err)
	}
	return nil
}
