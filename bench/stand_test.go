package bench

import (
	"math"
	"os/exec"
	"strings"
	"testing"
)

func needXvnc(t *testing.T) {
	t.Helper()
	for _, program := range []string{"Xvnc", "websockify"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
}

func TestPixelTimesKeyPressesByEveryWay(t *testing.T) {
	t.Parallel()
	needXvnc(t)
	s, shown := settings(t)
	if err := Pixel(t.Context(), s, 5); err != nil {
		t.Fatal(err)
	}
	r := written(t, s)
	for _, way := range []string{wayDirect, wayWebsockify} {
		for _, p50 := range values(t, r.Tables[0], way, "p50") {
			if !(p50 > 0 && p50 < 5000) {
				t.Errorf("%s: %v ms", way, p50)
			}
		}
		if len(r.Tables) > 1 { // with the rights for a line
			for _, p50 := range values(t, r.Tables[1], way, "p50") {
				if p50 < 50 {
					t.Errorf("%s, over 25 ms each way: %v ms", way, p50)
				}
			}
		}
	}
	if !strings.Contains(shown.String(), wayHub+" | not measured") {
		t.Errorf("the missing gateway is not told:\n%s", shown)
	}
}

func TestGrowthIsAgainstTheFirstSharedViewer(t *testing.T) {
	t.Parallel()
	steps := map[int]map[string]float64{
		1: {"Xvnc": 0.5, "front": 0.01}, 2: {"Xvnc": 0.5, "front": 0.41}, 50: {"Xvnc": 0.55, "front": 0.89},
	}
	got := grown([]int{1, 2, 50}, steps)
	// 48 viewers cost 0.48; so the first shared one costs 0.41 - 0.01.
	if math.Abs(got["xvnc"]-1.1) > 1e-9 || math.Abs(got["share"]-2.5) > 1e-9 {
		t.Errorf("growth is %v", got)
	}
	if _, told := grown([]int{1, 50}, steps)["share"]; told {
		t.Error("two steps tell a share")
	}
}
