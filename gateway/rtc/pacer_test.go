package rtc

import (
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
)

// What is sent again has an SSRC of its own, and goes the way of its stream.
func TestPacerSendsWhatIsSentAgain(t *testing.T) {
	t.Parallel()
	p := newPacer(1_000_000)
	defer p.Close()
	sent := make(chan uint32, 2)
	p.AddStream(1, interceptor.RTPWriterFunc(func(h *rtp.Header, b []byte, _ interceptor.Attributes) (int, error) {
		sent <- h.SSRC
		return len(b), nil
	}))
	for _, ssrc := range []uint32{1, 2} {
		if _, err := p.Write(&rtp.Header{SSRC: ssrc}, []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-sent:
			if got != ssrc {
				t.Errorf("SSRC %d was sent, not %d", got, ssrc)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("a packet of SSRC %d was not sent", ssrc)
		}
	}
}
