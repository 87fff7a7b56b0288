package target

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/screen"
	"github.com/streamspace/streamspace/bench/stage"
)

// directInterval is how often a direction is repeated until it is obeyed: a
// desktop that has just begun loses the first keys.
const directInterval = time.Second

// Direct has the target's stage play the scene from its beginning, at its own
// pace or as fast as it can, over a connection of its own.
func (t *Target) Direct(ctx context.Context, name scene.Name, full bool) error {
	number, err := name.Number()
	if err != nil {
		return err
	}
	pace := uint32(stage.OwnPace)
	if full {
		pace = stage.FullSpeed
	}
	ctx, cancel := context.WithTimeout(ctx, sceneTimeout)
	defer cancel()
	s, err := t.Connect(ctx, screen.Options{Quality: screen.Lossless, Compress: 1})
	if err != nil {
		return err
	}
	defer s.Close()
	var asked time.Time
	var failed error
	before, seen := uint16(0), false
	err = s.Run(ctx, func(u screen.Update) bool {
		if !u.Marked {
			return true
		}
		if !seen {
			before, seen = u.Mark.Keys, true
		}
		// Both keys were heard, and the last one is the scene's.
		if u.Mark.Keys-before >= 2 && u.Mark.Scene == number && u.Mark.Key == uint8(stage.FirstScene+uint32(number)) {
			return false
		}
		if time.Since(asked) > directInterval {
			asked = time.Now()
			if failed = errors.Join(s.Press(pace), s.Press(stage.FirstScene+uint32(number))); failed != nil {
				return false
			}
		}
		return true
	})
	if err == nil {
		err = failed
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%s: %w", t.Name, ErrNoScene)
	}
	return err
}
