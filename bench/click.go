package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/streamspace/streamspace/bench/browser"
	"github.com/streamspace/streamspace/bench/product"
)

// signInScript signs the page's browser in through the API, as the form does.
const signInScript = `fetch("/api/v1/auth/login", {
	method: "POST", headers: {"Content-Type": "application/json"},
	body: JSON.stringify({username: %s, password: %s}),
}).then(r => r.status)`

// clickScript waits for the button, clicks it, and resolves when a canvas
// shows a picture, with the
// milliseconds in between.
// It looks at every eighth pixel in each direction, once an animation frame.
const clickScript = `new Promise((resolve, reject) => {
	const name = %s, share = %g, limit = performance.now() + %d;
	const painted = canvas => {
		if (canvas.width < 64 || canvas.height < 64) return false;
		const context = canvas.getContext("2d", {willReadFrequently: true});
		if (!context) return false;
		const {data, width, height} = context.getImageData(0, 0, canvas.width, canvas.height);
		const pixels = new Uint32Array(data.buffer), counts = new Map();
		let seen = 0, most = 0;
		for (let y = 0; y < height; y += 8) for (let x = 0; x < width; x += 8) {
			const pixel = pixels[y * width + x];
			const count = (counts.get(pixel) || 0) + 1;
			counts.set(pixel, count);
			seen++;
			most = Math.max(most, count);
		}
		return seen - most > share * seen;
	};
	let clicked = 0;
	const look = () => {
		const now = performance.now();
		if (now > limit) return reject(clicked ? "no picture came" : "there is no button " + name);
		if (!clicked) {
			const button = [...document.querySelectorAll("button,a")].find(
				b => (b.getAttribute("aria-label") || b.textContent.trim()) === name && !b.disabled);
			if (button) { clicked = performance.now(); button.click(); }
		} else if ([...document.querySelectorAll("canvas")].some(painted)) {
			return resolve({ms: now - clicked});
		}
		requestAnimationFrame(look);
	};
	look();
})`

func signIn(ctx context.Context, page *browser.Browser, base, username, password string) error {
	if err := page.Navigate(ctx, base+"/"); err != nil {
		return err
	}
	var status int
	if err := page.Run(ctx, fmt.Sprintf(signInScript, quote(username), quote(password)), &status); err != nil {
		return fmt.Errorf("signing the browser in: %w", err)
	}
	if status != 200 {
		return fmt.Errorf("signing the browser in: HTTP %d", status)
	}
	return nil
}

// byBrowser is one start by a click in the catalog.
func (h *home) byBrowser(ctx context.Context, page *browser.Browser, button string) (map[string]float64, error) {
	if err := page.Navigate(ctx, h.client.Base()+"/"); err != nil {
		return nil, err
	}
	var result struct {
		Milliseconds float64 `json:"ms"`
	}
	script := fmt.Sprintf(clickScript, quote(button), paintedShare, (startTimeout / 2).Milliseconds())
	before, err := h.client.Sessions(ctx)
	if err != nil {
		return nil, err
	}
	err = page.Run(ctx, script, &result)
	// Whether the picture came or not: leave nothing running.
	if stopped := h.stopNew(context.WithoutCancel(ctx), before); err == nil {
		err = stopped
	}
	if err != nil {
		return nil, err
	}
	return map[string]float64{"ms": result.Milliseconds}, nil
}

// stopNew ends the account's sessions that were not there before.
func (h *home) stopNew(ctx context.Context, before []product.Session) error {
	sessions, err := h.client.Sessions(ctx)
	if err != nil {
		return err
	}
	for _, session := range sessions {
		same := func(other product.Session) bool { return other.ID == session.ID }
		if slices.ContainsFunc(before, same) {
			continue
		}
		if err := h.client.Stop(ctx, session.ID); err != nil {
			return err
		}
	}
	return nil
}

// quote makes a JavaScript string literal.
func quote(text string) string {
	literal, err := json.Marshal(text)
	if err != nil {
		// A string can always be coded.
		panic("quoting for a script: " + err.Error())
	}
	return string(literal)
}
