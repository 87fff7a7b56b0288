package rtc

import (
	"context"
	"fmt"
	"log/slog"

	pion "github.com/pion/logging"
)

// logging gives pion's lines to our log. What pion warns of is mostly a viewer
// that went away, so everything below an error is for those who look for faults.
func logging(log *slog.Logger) pion.LoggerFactory { return factory{log} }

type factory struct{ log *slog.Logger }

func (f factory) NewLogger(scope string) pion.LeveledLogger { return lines{f.log.With("scope", scope)} }

type lines struct{ log *slog.Logger }

func (l lines) say(level slog.Level, text string) {
	l.log.Log(context.Background(), level, "webrtc", "says", text)
}

func (l lines) sayf(level slog.Level, format string, args []any) {
	if l.log.Enabled(context.Background(), level) {
		l.say(level, fmt.Sprintf(format, args...))
	}
}

func (lines) Trace(string)          {}
func (lines) Tracef(string, ...any) {}

func (l lines) Debug(text string)                 {}
func (l lines) Debugf(format string, args ...any) {}
func (l lines) Info(text string)                  { l.say(slog.LevelDebug, text) }
func (l lines) Infof(format string, args ...any)  { l.sayf(slog.LevelDebug, format, args) }
func (l lines) Warn(text string)                  { l.say(slog.LevelDebug, text) }
func (l lines) Warnf(format string, args ...any)  { l.sayf(slog.LevelDebug, format, args) }
func (l lines) Error(text string)                 { l.say(slog.LevelWarn, text) }
func (l lines) Errorf(format string, args ...any) { l.sayf(slog.LevelWarn, format, args) }
