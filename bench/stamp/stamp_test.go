package stamp

import (
	"testing"
	"time"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	want := Stamp{Seq: 42, At: 1234567 * time.Microsecond}
	body := make([]byte, Size+3)
	want.Put(body)
	got, ok := Read(body)
	if !ok || got != want {
		t.Fatalf("read %+v, %v; want %+v", got, ok, want)
	}
}

func TestReadRefusesOtherBytes(t *testing.T) {
	t.Parallel()
	for name, body := range map[string][]byte{"empty": nil, "short": make([]byte, Size-1), "zeros": make([]byte, Size)} {
		if _, ok := Read(body); ok {
			t.Errorf("%s: taken for a stamp", name)
		}
	}
}

func TestNowMovesForward(t *testing.T) {
	t.Parallel()
	first := Now()
	deadline := time.Now().Add(time.Second)
	for Now() == first {
		if time.Now().After(deadline) {
			t.Fatal("the clock stands still")
		}
	}
	if Now() < first {
		t.Fatal("the clock went backwards")
	}
}
