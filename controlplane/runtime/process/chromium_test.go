package process

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/streamspace/streamspace/images"
)

// Chromium builds its own sandbox, from user namespaces and seccomp, inside
// ours: that is why ours allows the former. Each page's process is then one
// namespace of processes deeper than the desktop.
func TestChromiumKeepsItsOwnSandbox(t *testing.T) {
	t.Parallel()
	if !lookInside("chromium") {
		t.Fatal("the tests need chromium: run `sudo apt-get install -y chromium`")
	}
	catalog, err := images.Load("")
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, options(dataDir(t)))
	d := shell("")
	d.Template, _ = catalog.Get("chromium")
	d.Template.Command = append(d.Template.Command, "data:text/html,<body bgcolor=teal>")
	v := open(t, b.apply(t, d).Address)
	eventually(t, "the page is painted", func() bool {
		return v.share(func(red, green, blue byte) bool { return red == 0 && green == 0x80 && blue == 0x80 }) > .5
	})
	renderers := 0
	for _, number := range inside(b.running(t, d.Session).Inner.Number) {
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", number))
		if !strings.Contains(string(command), "--type=renderer") {
			continue
		}
		renderers++
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", number))
		_, rest, _ := strings.Cut(string(status), "NSpid:")
		line, _, _ := strings.Cut(rest, "\n")
		if numbers := strings.Fields(line); len(numbers) < 3 { // here, in the desktop, in Chromium's own
			t.Errorf("renderer %d is in no namespace of Chromium's own: %v", number, numbers)
		}
	}
	if renderers == 0 {
		t.Error("no renderer was found")
	}
	b.remove(t, d)
}
