package scene

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/streamspace/streamspace/bench/marker"
	"github.com/streamspace/streamspace/rfb/picture"
)

// sizes are the usual screen and one that is smaller than the film.
func sizes() []image.Point { return []image.Point{{X: 1280, Y: 720}, {X: 400, Y: 300}} }

func TestEveryFrameIsAFunctionOfItsNumber(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		for _, size := range sizes() {
			first, second := play(t, name, size, 70), play(t, name, size, 70)
			if !first.Equal(second, first.Bounds()) {
				t.Errorf("%s of %v is another one the second time", name, size)
			}
			if folder := os.Getenv("SCENE_PICTURES"); folder != "" {
				save(t, filepath.Join(folder, string(name)+".png"), first)
			}
		}
	}
}

func TestEveryFrameChangesWhatItShould(t *testing.T) {
	t.Parallel()
	for name, least := range map[Name]int{Idle: 20, Typing: 10, Scroll: 10_000, Drag: 2_000, Video: 200_000, Mixed: 300_000} {
		before := play(t, name, image.Pt(1280, 720), 40)
		after := play(t, name, image.Pt(1280, 720), 45)
		changed := 0
		for i := 0; i < len(before.Pix); i += 4 {
			if before.Pix[i] != after.Pix[i] || before.Pix[i+1] != after.Pix[i+1] {
				changed++
			}
		}
		if changed < least {
			t.Errorf("%s: five frames change %d pixels, want at least %d", name, changed, least)
		}
		if name == Idle && changed > 1000 {
			t.Errorf("idle changes %d pixels", changed)
		}
	}
}

func TestNoSceneDrawsWhereTheMarkerStands(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		canvas := NewMemory(image.Pt(640, 480))
		player, err := New(name, image.Pt(640, 480))
		if err != nil {
			t.Fatal(err)
		}
		player.Step(canvas)
		want := marker.Mark{Scene: 3, Frame: 7}
		want.Draw(canvas.Picture, MarkerAt())
		for range 130 {
			player.Step(canvas)
		}
		if got, ok := marker.Read(canvas.Picture, MarkerAt()); !ok || got != want {
			t.Errorf("%s has drawn over the marker", name)
		}
	}
}

func TestMixedRestsAfterItsFrames(t *testing.T) {
	t.Parallel()
	size := image.Pt(400, 300)
	player, err := New(Mixed, size)
	if err != nil {
		t.Fatal(err)
	}
	canvas := NewMemory(size)
	for n := range 3 * mixedFrames {
		if got := player.Step(canvas); got != n {
			t.Fatalf("frame %d says that it is %d", n, got)
		}
		if want := n > 0 && n%mixedFrames == 0; player.Resting() != want || (player.Pause() == rest) != want {
			t.Fatalf("frame %d rests: %v, pause %v", n, player.Resting(), player.Pause())
		}
	}
	regions := MixedRegions(size)
	if regions.Text.Empty() || regions.Photo.Empty() || regions.Text.Overlaps(regions.Photo) {
		t.Errorf("the regions are %+v", regions)
	}
}

func TestUnknownScenesAndTinyScreensAreRefused(t *testing.T) {
	t.Parallel()
	if _, err := New("disco", image.Pt(640, 480)); err == nil {
		t.Error("there is a scene disco")
	}
	if _, err := New(Idle, image.Pt(100, 50)); err == nil {
		t.Error("a scene fits on 100 × 50")
	}
}

func play(t *testing.T, name Name, size image.Point, frames int) *picture.Picture {
	t.Helper()
	player, err := New(name, size)
	if err != nil {
		t.Fatal(err)
	}
	canvas := NewMemory(size)
	for range frames {
		player.Step(canvas)
	}
	return canvas.Picture
}

func save(t *testing.T, path string, p *picture.Picture) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := png.Encode(file, p.Image()); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkVideoFrame(b *testing.B) {
	size := image.Pt(1280, 720)
	player, err := New(Video, size)
	if err != nil {
		b.Fatal(err)
	}
	canvas := NewMemory(size)
	for b.Loop() {
		player.Step(canvas)
	}
}
