package agent

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

const (
	display = ":1" // of the desktop's own; its /tmp is private

	displayLimit = 20 * time.Second // Xvnc takes 0.1 s; a loaded machine far longer

	// A display that stops answering (a wedged Xvnc, not a dead one) is noticed
	// after maxMisses looks; each costs Xvnc well under 1 ms.
	healthEvery    = 15 * time.Second
	handshakeLimit = 5 * time.Second
	maxMisses      = 3

	// maxCutText is what the gateway lets through of a clipboard.
	maxCutText = 1 << 20
)

// startDisplay starts Xvnc and waits until it answers.
func (a *Agent) startDisplay(ctx context.Context) (*child, error) {
	a.control.tell(func(s *Status) { s.Step = "Starting the display" })
	if err := os.Remove(a.spec.RFBSocket); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("removing an old RFB socket: %w", err)
	}
	// Xvnc makes this folder only as root, or complains.
	if err := os.Mkdir("/tmp/.X11-unix", 0o777); err == nil {
		os.Chmod("/tmp/.X11-unix", 0o777|os.ModeSticky) // against the umask; ours, so it cannot fail
	}
	// Xvnc writes its display's number to this pipe once it takes clients.
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	xvnc, err := a.nursery.start([]string{
		"Xvnc", display, "-displayfd", "3", "-auth", a.cookieFile(),
		// RFB on the private socket only; who may connect is the gateway's matter.
		"-rfbunixpath", a.spec.RFBSocket, "-rfbunixmode", "0600", "-rfbport", "-1", "-SecurityTypes", "None", "-AlwaysShared",
		"-nolisten", "tcp", "-nolisten", "local", // X itself on /tmp/.X11-unix only, no abstract socket
		"-geometry", fmt.Sprintf("%dx%d", a.spec.Width, a.spec.Height), "-depth", "24", "-desktop", a.spec.Name,
		"-AcceptSetDesktopSize", "-FrameRate", "60",
		"-SendPrimary=0", // selecting text is not copying it
		"-MaxCutText", fmt.Sprint(maxCutText),
		"-noreset", "-Log", "*:stderr:0", // errors only: the log is for the programs' own words
	}, a.env, "/", a.journal.write, write)
	write.Close()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { read.SetReadDeadline(time.Now()) })
	defer stop()
	read.SetReadDeadline(time.Now().Add(displayLimit))
	// The number and its newline are two writes; Xvnc dies of the second when
	// nobody reads it.
	if _, err := bufio.NewReaderSize(read, 16).ReadSlice('\n'); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("no answer within %s", displayLimit)
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return xvnc, fmt.Errorf("the display (Xvnc) did not start: %w; its last words:\n%s", err, a.journal.lastWords())
	}
	return xvnc, nil
}

// handshake is the readiness check: a whole RFB handshake, not just an open
// port. (Less would count as an attack with Xvnc: it shuts out peers that
// leave before they have authenticated.)
func (a *Agent) handshake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", a.spec.RFBSocket)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	if _, err = rfb.ClientHandshake(conn, rfb.ClientConfig{}); err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// watchDisplay repeats the handshake at each tick until ctx ends or the display
// has missed too many in a row.
func (a *Agent) watchDisplay(ctx context.Context, tick <-chan time.Time) error {
	for misses := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		err := a.handshake(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			misses = 0
			continue
		}
		misses++
		a.control.tell(func(s *Status) { s.LastError = "the display does not answer: " + err.Error() })
		if misses == maxMisses {
			return fmt.Errorf("the display (Xvnc) has stopped answering: %w", err)
		}
	}
}

func (a *Agent) cookieFile() string { return filepath.Join(a.private, "Xauthority") }

// writeCookie makes the secret that X clients show to the display, in the form
// of libXau's files: family, address, display, name, data, each but the first
// with a 16-bit length.
func (a *Agent) writeCookie() error {
	const familyWild = 0xffff // for every address
	cookie := make([]byte, 16)
	rand.Read(cookie) // never fails: it ends the process first
	entry := binary.BigEndian.AppendUint16(nil, familyWild)
	for _, field := range []string{"", display[1:], "MIT-MAGIC-COOKIE-1", string(cookie)} {
		entry = binary.BigEndian.AppendUint16(entry, uint16(len(field)))
		entry = append(entry, field...)
	}
	if err := os.WriteFile(a.cookieFile(), entry, 0o600); err != nil {
		return fmt.Errorf("writing the display's cookie: %w", err)
	}
	return nil
}
