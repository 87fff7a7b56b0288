package ticket

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// Key is a private key and the id under which its public half is known.
type Key struct {
	id      string
	private ed25519.PrivateKey
}

// PublicKey is what a gateway needs to verify tickets.
type PublicKey struct {
	id  string
	key ed25519.PublicKey
}

// NewKey makes a key.
func NewKey() Key {
	// GenerateKey fails only with its reader, and crypto/rand.Reader ends the
	// process rather than fail.
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	return Key{id: keyID(public), private: private}
}

// ID is the "kid" of the tickets that the key signs.
func (k Key) ID() string { return k.id }

// Public returns the half that verifies.
func (k Key) Public() PublicKey {
	return PublicKey{id: k.id, key: k.private.Public().(ed25519.PublicKey)}
}

// Signer is the private half, for a certificate.
func (k Key) Signer() crypto.Signer { return k.private }

func (k Key) String() string       { return "[ticket key " + k.id + "]" }
func (k Key) GoString() string     { return k.String() }
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Format covers the verbs that would print the private half.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// ID is the "kid" of the tickets that the key verifies.
func (p PublicKey) ID() string { return p.id }

// Text is the key in the form that ParsePublicKey reads.
func (p PublicKey) Text() string { return base64.RawURLEncoding.EncodeToString(p.key) }

// Is tells whether the two are the same key.
func (p PublicKey) Is(other crypto.PublicKey) bool { return p.key.Equal(other) }

// ParsePublicKey reads what Text returned.
func ParsePublicKey(text string) (PublicKey, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return PublicKey{}, errors.New("not an Ed25519 key in base64url")
	}
	return PublicKey{id: keyID(raw), key: raw}, nil
}

// keyID names a public key by its hash, so that both sides derive the same
// name and nobody hands names out. 12 bytes are enough to tell a handful apart.
func keyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

const (
	privateBlock = "PRIVATE KEY" // PKCS #8, RFC 5958
	publicBlock  = "PUBLIC KEY"  // SubjectPublicKeyInfo, RFC 8410

	// maxKeyFile bounds what is read as a key file: an Ed25519 key in PEM has
	// about 120 bytes, and several public keys may share a file.
	maxKeyFile = 16 << 10
)

// LoadOrCreateKey reads the private key at path, and makes one there if there
// is none. Of several processes that create at once, one wins and all return
// its key. A file that others than its owner may read is refused.
func LoadOrCreateKey(path string) (Key, error) {
	key, err := loadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := createKey(path, NewKey()); err != nil && !errors.Is(err, fs.ErrExist) {
		return Key{}, fmt.Errorf("creating ticket key %s: %w", path, err)
	}
	return loadKey(path)
}

func loadKey(path string) (Key, error) {
	file, err := os.Open(path)
	if err != nil {
		return Key{}, fmt.Errorf("reading ticket key: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Key{}, fmt.Errorf("reading ticket key: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		return Key{}, fmt.Errorf("ticket key %s is not a key file", path)
	}
	if mode := info.Mode().Perm(); !private(info) {
		return Key{}, fmt.Errorf("ticket key %s has mode %04o: others may read it; make it 0600 after asking who did", path, mode)
	}
	text := make([]byte, info.Size())
	if _, err := file.ReadAt(text, 0); err != nil {
		return Key{}, fmt.Errorf("reading ticket key %s: %w", path, err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != privateBlock {
		return Key{}, fmt.Errorf("ticket key %s holds no PEM block %q", path, privateBlock)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Key{}, fmt.Errorf("parsing ticket key %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return Key{}, fmt.Errorf("ticket key %s is a %T, not Ed25519", path, parsed)
	}
	return Key{id: keyID(key.Public().(ed25519.PublicKey)), private: key}, nil
}

// private says whether nobody but us can read the file. One of root's that our
// group may read counts: so Kubernetes hands Secrets to those who are not root.
func private(info fs.FileInfo) bool {
	mode := info.Mode().Perm()
	owner, ok := info.Sys().(*syscall.Stat_t)
	if ok && owner.Uid == 0 && os.Geteuid() != 0 && int(owner.Gid) != 0 {
		return mode&0o037 == 0
	}
	return mode&0o077 == 0
}

// createKey writes the whole file under another name and then links it to
// path, which fails with fs.ErrExist if somebody was faster: a reader finds
// nothing or a whole key.
func createKey(path string, key Key) error {
	der, err := x509.MarshalPKCS8PrivateKey(key.private)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".ticket-key-*") // CreateTemp makes it 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := pem.Encode(file, &pem.Block{Type: privateBlock, Bytes: der}); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return os.Link(file.Name(), path)
}

// EncodePublicKeys writes keys in the form that ParsePublicKeys reads.
func EncodePublicKeys(keys ...PublicKey) ([]byte, error) {
	var text []byte
	for _, key := range keys {
		der, err := x509.MarshalPKIXPublicKey(key.key)
		if err != nil {
			return nil, fmt.Errorf("encoding ticket key %s: %w", key.id, err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: der})...)
	}
	return text, nil
}

// ParsePublicKeys reads one or more PEM blocks: what a gateway that runs apart
// from the control plane is configured with.
func ParsePublicKeys(text []byte) ([]PublicKey, error) {
	var keys []PublicKey
	for len(text) > 0 && len(text) <= maxKeyFile {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parsing public ticket key: %w", err)
		}
		public, ok := parsed.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("public ticket key is a %T, not Ed25519", parsed)
		}
		keys = append(keys, PublicKey{id: keyID(public), key: public})
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no PEM block %q among the public ticket keys", publicBlock)
	}
	return keys, nil
}
