package rfb

import (
	"crypto/des"
	"crypto/rand"
	"crypto/subtle"
	"math/bits"
)

// VncAuth (section "VNC Authentication"): the server sends a challenge, the
// client encrypts it under the password. It keeps honest people out, no more:
// eight characters, DES, and nothing after it is encrypted.
const (
	challengeSize     = 16
	vncPasswordLength = 8 // characters beyond are ignored by every implementation
)

func newChallenge() []byte {
	challenge := make([]byte, challengeSize)
	rand.Read(challenge) // never fails: crypto/rand ends the process instead
	return challenge
}

// vncResponse encrypts the challenge.
func vncResponse(challenge []byte, password string) []byte {
	var key [vncPasswordLength]byte
	copy(key[:], password)
	for i, b := range key {
		key[i] = bits.Reverse8(b) // the protocol counts a key's bits from the other end
	}
	cipher, err := des.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	response := make([]byte, challengeSize)
	for i := 0; i < challengeSize; i += des.BlockSize {
		cipher.Encrypt(response[i:], challenge[i:])
	}
	return response
}

// vncMatches checks a response in constant time.
func vncMatches(challenge, response []byte, password string) bool {
	return subtle.ConstantTimeCompare(vncResponse(challenge, password), response) == 1
}
