package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/argon2"
)

const (
	// MinPasswordLength is in characters. NIST SP 800-63B asks for 8; ten cost
	// nobody anything who uses a password manager or a phrase.
	MinPasswordLength = 10
	// MaxPasswordBytes bounds what is hashed.
	MaxPasswordBytes = 256

	saltBytes = 16 // RFC 9106 section 3.1
	hashBytes = 32

	// maxHashing is how many passwords are hashed at once: memory stays under
	// maxHashing times the cost's, 76 MiB by default.
	maxHashing = 4
	// maxHashQueue is how many more may wait, about a second's work; further
	// ones are refused.
	maxHashQueue = 128

	// maxStoredMemoryKiB bounds what a stored hash may ask for: a damaged row
	// must not take the machine's memory.
	maxStoredMemoryKiB = 1 << 20
	maxStoredPasses    = 64
)

// PolicyError says why a password is not accepted. It never holds the password.
type PolicyError struct{ Reason string }

func (e *PolicyError) Error() string { return "password " + e.Reason }

// denied are common passwords that are long enough.
//
//go:embed denied.txt
var denied string

// CheckPassword says whether the password may be used for the account.
func CheckPassword(username, password string) error {
	lower := strings.ToLower(password)
	switch {
	case !utf8.ValidString(password):
		return &PolicyError{"is not valid UTF-8"}
	case len(password) > MaxPasswordBytes:
		return &PolicyError{fmt.Sprintf("is longer than %d bytes", MaxPasswordBytes)}
	case utf8.RuneCountInString(password) < MinPasswordLength:
		return &PolicyError{fmt.Sprintf("is shorter than %d characters", MinPasswordLength)}
	case username != "" && lower == strings.ToLower(username):
		return &PolicyError{"is the same as the username"}
	case distinct(password) < 4:
		return &PolicyError{"repeats the same few characters"}
	}
	for line := range strings.Lines(denied) {
		if strings.TrimSpace(line) == lower {
			return &PolicyError{"is one of the most common ones"}
		}
	}
	return nil
}

func distinct(s string) int {
	seen := map[rune]struct{}{}
	for _, r := range s {
		seen[r] = struct{}{}
	}
	return len(seen)
}

// Cost is argon2id's parameters (RFC 9106).
type Cost struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// DefaultCost is OWASP's recommendation for argon2id: 19 MiB and two passes,
// about 25 ms of one core.
func DefaultCost() Cost { return Cost{MemoryKiB: 19 << 10, Passes: 2, Lanes: 1} }

// passwords hashes, a bounded number at once.
type passwords struct {
	cost    Cost          // immutable
	slots   chan struct{} // holds one item for each hash under way
	queue   chan struct{} // holds one item for each hash under way or waiting
	nobody  string        // immutable; verified against when there is no account
	hashes  prometheus.Counter
	waiting prometheus.GaugeFunc
}

func newPasswords(cost Cost) *passwords {
	p := &passwords{
		cost: cost, slots: make(chan struct{}, maxHashing), queue: make(chan struct{}, maxHashing+maxHashQueue),
		hashes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamspace_identity_password_hashes_total",
			Help: "Passwords hashed, for checking and for storing.",
		}),
	}
	p.waiting = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "streamspace_identity_password_hashes_waiting",
		Help: "Password hashes under way or waiting for a slot.",
	}, func() float64 { return float64(len(p.queue)) })
	// Any hash does: no password has it, since nobody hashed one to get it.
	p.nobody = encodePHC(cost, make([]byte, saltBytes), random(hashBytes))
	return p
}

// hash returns the PHC string of a password.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	salt := random(saltBytes)
	key, err := p.derive(ctx, password, salt, p.cost)
	if err != nil {
		return "", err
	}
	return encodePHC(p.cost, salt, key), nil
}

// verify compares in constant time. stale says that the hash was made at
// another cost. With no stored hash the same work is done in vain, so that an
// answer's time does not tell whether an account exists.
func (p *passwords) verify(ctx context.Context, stored *string, password string) (match, stale bool, err error) {
	phc := p.nobody
	if stored != nil {
		phc = *stored
	}
	cost, salt, want, err := decodePHC(phc)
	if err != nil {
		return false, false, err
	}
	have, err := p.derive(ctx, password, salt, cost)
	if err != nil {
		return false, false, err
	}
	match = subtle.ConstantTimeCompare(have, want) == 1 && stored != nil
	return match, cost != p.cost, nil
}

func (p *passwords) derive(ctx context.Context, password string, salt []byte, cost Cost) ([]byte, error) {
	select {
	case p.queue <- struct{}{}:
		defer func() { <-p.queue }()
	default:
		return nil, ErrBusy
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting to hash a password: %w", ctx.Err())
	}
	p.hashes.Inc()
	return argon2.IDKey([]byte(password), salt, cost.Passes, cost.MemoryKiB, cost.Lanes, hashBytes), nil
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // crypto/rand.Read never fails: it ends the process first
	return b
}

// encodePHC writes the string format of the password hashing competition:
// $argon2id$v=19$m=…,t=…,p=…$salt$hash, base64 without padding.
func encodePHC(cost Cost, salt, key []byte) string {
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, cost.MemoryKiB, cost.Passes, cost.Lanes, encode(salt), encode(key))
}

var errPHC = errors.New("stored password hash is not argon2id in PHC form")

func decodePHC(phc string) (cost Cost, salt, key []byte, err error) {
	fields := strings.Split(phc, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" || fields[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return Cost{}, nil, nil, errPHC
	}
	if _, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &cost.MemoryKiB, &cost.Passes, &cost.Lanes); err != nil {
		return Cost{}, nil, nil, errPHC
	}
	if cost.MemoryKiB > maxStoredMemoryKiB || cost.Passes < 1 || cost.Passes > maxStoredPasses || cost.Lanes < 1 {
		return Cost{}, nil, nil, errPHC
	}
	salt, saltErr := base64.RawStdEncoding.Strict().DecodeString(fields[4])
	key, keyErr := base64.RawStdEncoding.Strict().DecodeString(fields[5])
	if saltErr != nil || keyErr != nil || len(salt) < 8 || len(key) != hashBytes || bytes.Equal(key, make([]byte, hashBytes)) {
		return Cost{}, nil, nil, errPHC
	}
	return cost, salt, key, nil
}
