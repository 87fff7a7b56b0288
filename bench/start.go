package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/browser"
	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/product"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/viewer"
	"github.com/streamspace/streamspace/rfb"
)

const (
	// paintedShare of the screen must differ from the background before the
	// clock stops: more than a cursor, less than any window.
	paintedShare = 0.001
	// startTimeout bounds one start; the gateway itself gives up after a
	// minute.
	startTimeout = 90 * time.Second
	// maxStartMillis is the product's limit at the median.
	maxStartMillis = 1000
)

// StartOptions of the start experiment.
type StartOptions struct {
	Server       string // program to start with `up`, unless URL is set
	URL          string // a running installation
	Username     string
	PasswordFile string
	Template     string
	Button       string // accessible name of the button in the catalog
	Browser      bool   // also in Chromium
}

// Start measures from the click on Start to the first pixels of the desktop,
// each time with a cold X server: by a client of API and stream, and in a
// browser. Every round is one start of each.
func Start(ctx context.Context, s Settings, options StartOptions) error {
	r := s.begin(ctx, "start", "Click on Start to first pixels",
		report.Fact{Name: "template", Value: options.Template})
	r.Versions = append(r.Versions,
		report.Fact{Name: "Xvnc", Value: report.ProgramVersion(ctx, "dpkg-query", "-W", "-f=${Version}", "tigervnc-standalone-server")},
		report.Fact{Name: "Chromium", Value: report.ProgramVersion(ctx, "dpkg-query", "-W", "-f=${Version}", "chromium")})
	r.Notes = append(r.Notes,
		fmt.Sprintf("The clock stops when at least %g of the screen differs from its most frequent colour: the application's window is there.", paintedShare),
		"Client: POST /sessions is sent, then POST /connect, then the WebSocket, each as soon as the one before has answered.",
		"Browser: from the click in the catalog until a canvas of the page shows such a picture, looked at once an animation frame. The page is loaded and signed in; Chromium runs on the same cores.")
	home, err := installation(ctx, options)
	if err != nil {
		return err
	}
	defer home.close()
	table := &report.Table{
		Title: "Start",
		Columns: []report.Column{
			{Key: "ms", Title: "first pixels ms", Digits: 0}, {Key: "answered", Title: "session answered ms", Digits: 0},
			{Key: "greeted", Title: "RFB handshake ms", Digits: 0},
		},
	}
	page, err := home.page(ctx, options, table)
	if err != nil {
		return err
	}
	if page != nil {
		defer page.Close()
	}
	for round := range s.Rounds {
		if err := home.round(ctx, s, options, table, page, round); err != nil {
			return err
		}
	}
	r.Tables = append(r.Tables, table, quantiles(table))
	table.Compare("ms", subjectBrowser, "", report.Value, report.Target(maxStartMillis))
	table.Compare("ms", subjectClient, "", report.Value, report.Target(maxStartMillis))
	return s.finish(r)
}

const (
	subjectClient  = "API and stream client"
	subjectBrowser = "browser (Chromium)"
)

// quantiles repeats the first column as p50 and p90: of a start, every round
// is one value.
func quantiles(of *report.Table) *report.Table {
	table := &report.Table{Title: "Quantiles over all starts", Columns: []report.Column{
		{Key: "p50", Title: "p50 ms", Digits: 0}, {Key: "p90", Title: "p90 ms", Digits: 0},
	}}
	for _, row := range of.Rows {
		values := row.Values("ms")
		target := table.Row(row.Subject)
		target.NotMeasured = row.NotMeasured
		if len(values) > 0 {
			target.Add(map[string]float64{"p50": report.Median(values), "p90": report.Quantile(values, 0.9)})
		}
	}
	return table
}

// home is the installation under test with a signed-in client.
type home struct {
	client             *product.Client
	server             *product.Server // nil when it is not ours
	username, password string
}

func installation(ctx context.Context, options StartOptions) (*home, error) {
	h := &home{username: options.Username}
	url := options.URL
	if url == "" {
		server, err := product.Serve(ctx, options.Server)
		if err != nil {
			return nil, err
		}
		h.server, h.username, h.password, url = server, server.Username, server.Password, server.Base
	} else {
		text, err := os.ReadFile(options.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("reading the password: %w", err)
		}
		h.password = strings.TrimRight(string(text), "\r\n")
	}
	client, err := product.New(url)
	if err == nil {
		h.client = client
		err = client.SignIn(ctx, h.username, h.password)
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *home) close() {
	if h.client != nil {
		h.client.Close()
	}
	if h.server != nil {
		h.server.Stop()
	}
}

// page opens a signed-in browser; without Chromium its row says so.
func (h *home) page(ctx context.Context, options StartOptions, table *report.Table) (*browser.Browser, error) {
	if !options.Browser {
		return nil, nil
	}
	page, err := browser.Open(ctx)
	if errors.Is(err, peer.ErrMissing) {
		table.Row(subjectBrowser).NotMeasured = err.Error()
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := signIn(ctx, page, h.client.Base(), h.username, h.password); err != nil {
		page.Close()
		return nil, err
	}
	return page, nil
}

func (h *home) round(ctx context.Context, s Settings, options StartOptions, table *report.Table, page *browser.Browser, round int) error {
	measure := func(subject string, f func(context.Context) (map[string]float64, error)) error {
		if !s.wanted(subject) {
			return nil
		}
		limited, cancel := context.WithTimeout(ctx, startTimeout)
		defer cancel()
		values, err := f(limited)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.Log.Warn("a round failed", "subject", subject, "round", round+1, "error", err)
			values = nothing(table)
		} else {
			s.Log.Info("round", "subject", subject, "round", round+1, "values", values)
		}
		table.Row(subject).Add(values)
		return nil
	}
	if err := measure(subjectClient, func(ctx context.Context) (map[string]float64, error) {
		return h.byClient(ctx, options.Template)
	}); err != nil || page == nil {
		return err
	}
	return measure(subjectBrowser, func(ctx context.Context) (map[string]float64, error) {
		return h.byBrowser(ctx, page, options.Button)
	})
}

// byClient is one start by API and stream.
func (h *home) byClient(ctx context.Context, template string) (values map[string]float64, err error) {
	begin := time.Now()
	since := func() float64 { return float64(time.Since(begin).Microseconds()) / 1e3 }
	session, err := h.client.Start(ctx, template)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.client.Stop(context.WithoutCancel(ctx), session.ID)) }()
	values = map[string]float64{"answered": since()}
	url, err := h.client.Connect(ctx, session.ID)
	if err != nil {
		return nil, err
	}
	// Cursor is offered so that Xvnc does not paint it into the picture.
	v, err := viewer.Connect(ctx, url, viewer.Options{
		Origin:    h.client.Base(),
		Encodings: []rfb.Encoding{rfb.EncodingRaw, rfb.EncodingCursor, rfb.EncodingLastRect},
	})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	release := context.AfterFunc(ctx, func() { v.Close() })
	defer release()
	values["greeted"] = since()
	picture := viewer.NewPicture(v.Width, v.Height)
	if err := v.Request(false); err != nil {
		return nil, err
	}
	for {
		rectangle, err := picture.Update(v)
		if err != nil {
			return nil, fmt.Errorf("waiting for pixels: %w", err)
		}
		if !rectangle.Last {
			continue
		}
		if picture.Painted(paintedShare) {
			values["ms"] = since()
			return values, nil
		}
		if err := v.Request(true); err != nil {
			return nil, err
		}
	}
}

func startCommand(s *Settings) *cobra.Command {
	options := StartOptions{}
	command := &cobra.Command{
		Use: "start", Short: "Click on Start to first pixels, cold X server", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return Start(command.Context(), *s, options) },
	}
	flags := command.Flags()
	flags.StringVar(&options.Server, "server", "bin/streamspace", "program to start with `up` in a temporary folder")
	flags.StringVar(&options.URL, "url", "", "a running installation instead")
	flags.StringVar(&options.Username, "username", "admin", "account on the running installation")
	flags.StringVar(&options.PasswordFile, "password-file", "", "file with that account's password")
	flags.StringVar(&options.Template, "template", "terminal", "what to start")
	flags.StringVar(&options.Button, "button", "Start Terminal", "accessible name of its button in the catalog")
	flags.BoolVar(&options.Browser, "browser", true, "also measure in Chromium")
	return command
}
