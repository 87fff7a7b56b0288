// Package stage is the program in front of which everything is measured: an X11
// client that plays scenes in a window over the whole screen and answers each
// key and each motion of the pointer in its marker. Function keys choose the
// scene, so that whoever measures directs it over the connection that he
// measures. It does not measure.
package stage

import (
	"context"
	"fmt"
	"image"
	"io"
	"log"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/streamspace/streamspace/bench/marker"
	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/rfb/picture"
)

// Keysyms that direct the stage (X11 protocol, appendix A: F1 and so on). The
// scene of number n has the key FirstScene + n; choosing one starts it from its
// frame 0.
const (
	FirstScene = 0xFFBE // F1
	OwnPace    = 0xFFC6 // F9
	FullSpeed  = 0xFFC7 // F10: one frame after the other, as fast as the X server draws
)

// Options of a stage.
type Options struct {
	Display string // as ":1"; empty is $DISPLAY
	Scene   scene.Name
	// Ready is told in one line when the stage is set; nil tells nobody.
	Ready io.Writer
}

// Stage is the window and what is played in it.
type Stage struct {
	canvas *canvas
	keys   keyboard

	// owned by Run
	player *scene.Player
	mark   marker.Mark
	full   bool
	due    time.Time // when the next frame is
}

// eventQueue is how many events wait while a frame is drawn; the X server keeps
// the others.
const eventQueue = 64

// Run plays until ctx ends or the X server does.
func Run(ctx context.Context, options Options) error {
	if _, err := options.Scene.Number(); err != nil {
		return err
	}
	// The library says on standard error what it also returns.
	xgb.Logger = log.New(io.Discard, "", 0)
	conn, err := xgb.NewConnDisplay(options.Display)
	if err != nil {
		return fmt.Errorf("connecting to the X display %s: %w", options.Display, err)
	}
	s := &Stage{}
	if s.canvas, err = openCanvas(conn); err == nil {
		s.keys, err = readKeyboard(conn)
	}
	if err != nil {
		conn.Close()
		return err
	}
	if err := s.choose(options.Scene); err != nil {
		conn.Close()
		return err
	}
	if options.Ready != nil {
		fmt.Fprintf(options.Ready, "ready %dx%d\n", s.canvas.size.X, s.canvas.size.Y)
	}
	return s.play(ctx, conn)
}

func (s *Stage) play(ctx context.Context, conn *xgb.Conn) error {
	events := make(chan xgb.Event, eventQueue)
	stop := context.AfterFunc(ctx, conn.Close)
	go func() {
		defer close(events)
		for {
			event, err := conn.WaitForEvent()
			if event == nil && err == nil {
				return // the connection is closed
			}
			if event != nil { // an error is of a request, and shows on the screen
				events <- event
			}
		}
	}()
	defer func() {
		if stop() {
			conn.Close()
		}
		for range events { // until the reader has ended
		}
	}()
	clock := time.NewTimer(0)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, ok := <-events:
			if !ok {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("the X server has closed the connection")
			}
			if err := s.hear(conn, event); err != nil {
				return err
			}
			if !s.full {
				clock.Reset(time.Until(s.due))
			}
		case <-clock.C:
			s.step()
			if s.full {
				s.canvas.wait() // for the X server to have drawn it
			}
			clock.Reset(time.Until(s.due))
		}
	}
}

// hear answers an event in the marker.
func (s *Stage) hear(conn *xgb.Conn, event xgb.Event) error {
	switch e := event.(type) {
	case xproto.KeyPressEvent:
		symbol := s.keys.symbol(e.Detail)
		s.mark.Keys++
		s.mark.Key = uint8(symbol)
		s.mark.X, s.mark.Y = uint16(e.RootX), uint16(e.RootY)
		if err := s.direct(symbol); err != nil {
			return err
		}
		s.show()
	case xproto.MotionNotifyEvent:
		s.mark.X, s.mark.Y = uint16(e.RootX), uint16(e.RootY)
		s.show()
	case xproto.MappingNotifyEvent:
		keys, err := readKeyboard(conn)
		if err != nil {
			return err
		}
		s.keys = keys
	case xproto.ExposeEvent:
		s.canvas.expose(image.Rect(int(e.X), int(e.Y), int(e.X)+int(e.Width), int(e.Y)+int(e.Height)))
		s.canvas.focus()
	case xproto.FocusOutEvent:
		s.canvas.focus()
	}
	return nil
}

// direct obeys a function key.
func (s *Stage) direct(symbol uint32) error {
	names := scene.Names()
	switch {
	case symbol >= FirstScene && symbol < FirstScene+uint32(len(names)):
		return s.choose(names[symbol-FirstScene])
	case symbol == OwnPace, symbol == FullSpeed:
		s.full = symbol == FullSpeed
		s.due = time.Now()
	}
	return nil
}

// choose begins the scene with its frame 0.
func (s *Stage) choose(name scene.Name) error {
	player, err := scene.New(name, s.canvas.size)
	if err != nil {
		return err
	}
	s.player = player
	s.mark.Scene, _ = name.Number()
	s.step()
	return nil
}

// step draws the next frame with its mark.
func (s *Stage) step() {
	s.mark.Frame = uint16(s.player.Step(s.canvas))
	s.mark.Rest = s.player.Resting()
	s.show()
	pause := s.player.Pause()
	if s.full {
		pause = 0
	}
	s.due = s.due.Add(pause)
	if late := time.Now(); s.due.Before(late) {
		s.due = late // frames that were missed are not made up for
	}
}

// show draws the mark and brings all that was drawn to the screen.
func (s *Stage) show() {
	block := picture.New(marker.Width, marker.Height)
	s.mark.Moment = marker.Moment(time.Now())
	s.mark.Draw(block, image.Point{})
	s.canvas.Put(scene.MarkerAt(), block)
	s.canvas.flush()
}
