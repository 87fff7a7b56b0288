package e2e

import (
	"fmt"
	"strings"
	"time"

	"github.com/streamspace/streamspace/bench/browser"
)

// desk is a person at the page of a session.
type desk struct {
	cluster *cluster
	page    *browser.Browser
	base    string
}

func (d *desk) do(script string, into any) {
	d.cluster.t.Helper()
	if err := d.page.Run(d.cluster.t.Context(), script, into); err != nil {
		d.cluster.t.Fatal(err)
	}
}

func (d *desk) signIn(username, password string) {
	d.cluster.t.Helper()
	if err := d.page.Navigate(d.cluster.t.Context(), d.base+"/"); err != nil {
		d.cluster.t.Fatal(err)
	}
	var status int
	d.do(fmt.Sprintf(`fetch("/api/v1/auth/login", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({username: %q, password: %q})}).then(r => r.status)`, username, password), &status)
	if status != 200 {
		d.cluster.t.Fatalf("signing in: HTTP %d", status)
	}
}

// leave goes away from the desktop: whoever stays wakes it by coming back.
func (d *desk) leave() {
	d.cluster.t.Helper()
	if err := d.page.Navigate(d.cluster.t.Context(), d.base+"/"); err != nil {
		d.cluster.t.Fatal(err)
	}
}

// canvas is the picture's; what is not on it is over it as video, which a cluster
// without open ports does not have.
const canvas = `document.querySelector("[data-phase=connected] canvas:not([data-frozen])")`

// open goes to the session's page and waits for a picture.
func (d *desk) open(id string) {
	d.cluster.t.Helper()
	if err := d.page.Navigate(d.cluster.t.Context(), d.base+"/sessions/"+id); err != nil {
		d.cluster.t.Fatal(err)
	}
	d.cluster.eventually("a picture of "+id, func() error {
		var colours int
		d.do(`(() => { const c = `+canvas+`; if (!c || !c.width) return 0; return new Set(new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer)).size; })()`, &colours)
		if colours < 4 {
			return fmt.Errorf("it has %d colours", colours)
		}
		return nil
	})
	var before, now string
	d.cluster.eventually("the picture to hold still", func() error {
		time.Sleep(400 * time.Millisecond)
		before = now
		d.do(`(() => { const c = `+canvas+`; return c ? c.toDataURL().slice(-4000) + c.toDataURL().length : ""; })()`, &now)
		if now == "" || now != before {
			return fmt.Errorf("it changes")
		}
		return nil
	})
}

// type_ types a line.
func (d *desk) type_(line string) {
	d.cluster.t.Helper()
	d.do(canvas+`.focus()`, nil)
	press := func(event map[string]any) {
		for _, kind := range []string{"keyDown", "keyUp"} {
			event["type"] = kind
			if kind == "keyUp" {
				delete(event, "text")
			}
			if err := d.page.Command(d.cluster.t.Context(), "Input.dispatchKeyEvent", event); err != nil {
				d.cluster.t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Millisecond) // as fast as nobody types
	}
	for _, letter := range line {
		press(map[string]any{"key": string(letter), "text": string(letter)})
	}
	press(map[string]any{"key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13})
}

// block is a command that shows the n-th colour, and sees waits for that.
func (d *desk) block(n int) string {
	return fmt.Sprintf(`printf '\033[48;2;%d;52;186m%s\033[0m\n'`, 20*n, strings.Repeat(" ", 10))
}

func (d *desk) sees(n int) {
	d.cluster.t.Helper()
	d.cluster.eventually(fmt.Sprintf("colour %d", n), func() error {
		var count int
		d.do(fmt.Sprintf(`(() => { const c = %s; if (!c) return 0; const p = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; let n = 0;
			for (let i = 0; i < p.length; i += 4) if (Math.abs(p[i] - %d) < 3 && Math.abs(p[i+1] - 52) < 3 && Math.abs(p[i+2] - 186) < 3) n++; return n; })()`, canvas, 20*n), &count)
		if count < 100 {
			return fmt.Errorf("%d pixels have it", count)
		}
		return nil
	})
}
