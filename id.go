package streamspace

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// Ids are a prefix that tells the kind and 26 characters of Crockford's
// base32, lower case: 48 bits of milliseconds since 1970 and 80 random bits
// (the ULID layout), so they sort by creation time.
type (
	SessionID string // ses_…, one desktop session
	UserID    string // usr_…, one account
	HomeID    string // hom_…, one persistent home folder
	GatewayID string // gw_…, one gateway process
	ViewerID  string // vwr_…, one connection of one viewer
	TicketID  string // tkt_…, one ticket (its JWT id)
	APIKeyID  string // key_…, one API key
	LoginID   string // lgn_…, one browser sign-in (a cookie session)
	ShareID   string // shr_…, one invitation or link into a session
)

func NewSessionID() SessionID { return SessionID(newID("ses_")) }
func NewUserID() UserID       { return UserID(newID("usr_")) }
func NewHomeID() HomeID       { return HomeID(newID("hom_")) }
func NewGatewayID() GatewayID { return GatewayID(newID("gw_")) }
func NewViewerID() ViewerID   { return ViewerID(newID("vwr_")) }
func NewTicketID() TicketID   { return TicketID(newID("tkt_")) }
func NewAPIKeyID() APIKeyID   { return APIKeyID(newID("key_")) }
func NewLoginID() LoginID     { return LoginID(newID("lgn_")) }
func NewShareID() ShareID     { return ShareID(newID("shr_")) }

// ParseSessionID checks the form of an id that came from outside. Ids name
// folders and sockets, so nothing else may pass.
func ParseSessionID(s string) (SessionID, error) { return SessionID(s), checkID("ses_", s) }
func ParseUserID(s string) (UserID, error)       { return UserID(s), checkID("usr_", s) }
func ParseHomeID(s string) (HomeID, error)       { return HomeID(s), checkID("hom_", s) }
func ParseShareID(s string) (ShareID, error)     { return ShareID(s), checkID("shr_", s) }

const idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

const idLength = 26 // ceil(128 bits / 5)

func newID(prefix string) string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(time.Now().UnixMilli())<<16)
	rand.Read(raw[6:]) // crypto/rand.Read never fails: it ends the process first
	high, low := binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])
	var text [idLength]byte
	for i := idLength - 1; i >= 0; i-- {
		text[i] = idAlphabet[low&31]
		low = low>>5 | high<<59
		high >>= 5
	}
	return prefix + string(text[:])
}

func checkID(prefix, s string) error {
	body, ok := strings.CutPrefix(s, prefix)
	if !ok || len(body) != idLength || strings.Trim(body, idAlphabet) != "" {
		return fmt.Errorf("%q is not an id of the form %s…", truncate(s, 40), prefix)
	}
	return nil
}

func truncate(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
