package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

const (
	// tokenBytes makes every random credential 256 bits: beyond guessing, so a
	// plain SHA-256 of it is enough to store.
	tokenBytes = 32
	tokenChars = 43 // base64url of tokenBytes without padding

	// KeyPrefix begins every API key: scanners of leaked secrets look for it.
	KeyPrefix = "ssk_"

	// csrfLabel keeps the derived token apart from anything else that might
	// ever be derived from a login token.
	csrfLabel = "streamspace csrf token 1"
)

func newToken() string { return base64.RawURLEncoding.EncodeToString(random(tokenBytes)) }

// hashToken returns what is stored of a token, or false for a string that
// cannot be one: those cost no query.
func hashToken(token string) ([]byte, bool) {
	if len(token) != tokenChars {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenBytes {
		return nil, false
	}
	sum := sha256.Sum256([]byte(token))
	return sum[:], true
}

func hashKey(key string) ([]byte, bool) {
	secret, ok := strings.CutPrefix(key, KeyPrefix)
	if !ok {
		return nil, false
	}
	return hashToken(secret)
}

// CSRFToken is derived from the login's token, so it needs no storage and
// dies with the login. A page of another origin can send the cookie but cannot
// read this.
func CSRFToken(loginToken string) string {
	mac := hmac.New(sha256.New, []byte(loginToken))
	mac.Write([]byte(csrfLabel))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// ValidCSRFToken compares in constant time.
func ValidCSRFToken(loginToken, sent string) bool {
	return subtle.ConstantTimeCompare([]byte(CSRFToken(loginToken)), []byte(sent)) == 1
}
