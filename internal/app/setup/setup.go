// Package setup makes what an installation in a cluster begins with: its Secrets,
// and its database's tables. It runs before the product does, and ends.
package setup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	kubeerrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/gateway/ticket"
)

// Migrate brings the database to this binary's version and ends. A control plane
// does the same when it starts; doing it before lets an upgrade stop while the old
// ones still run.
func Migrate(ctx context.Context, postgresURL string, log *slog.Logger) error {
	s, err := store.Open(ctx, postgresURL, log)
	if err != nil {
		return err
	}
	s.Close()
	return nil
}

// Wanted is the Secrets that there should be, besides those of tickets.
type Wanted struct {
	Namespace string
	Name      string   // what the names of Secrets begin with
	Passwords []string // further Secrets, NAME-…, each with a password of its own
}

// Keys of the Secrets' data.
const (
	secretTicketKey    = "ticket.pem"        // in NAME-ticket
	secretTicketPublic = "ticket-public.pem" // in NAME-ticket-public
	secretPassword     = "password"
)

// Secrets makes the Secrets that are missing and changes none that is there.
// It runs in a pod that may read and make Secrets in the namespace.
func Secrets(ctx context.Context, wanted Wanted, out io.Writer) error {
	config, err := rest.InClusterConfig()
	if err != nil {
		return fmt.Errorf("looking for the cluster (this runs in a pod): %w", err)
	}
	return makeSecrets(ctx, config, wanted, out)
}

func makeSecrets(ctx context.Context, config *rest.Config, wanted Wanted, out io.Writer) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	m := secretMaker{secrets: client.CoreV1().Secrets(wanted.Namespace), out: out}
	errs := []error{m.ticketKeys(ctx, wanted.Name)}
	for _, name := range wanted.Passwords {
		errs = append(errs, m.ensure(ctx, wanted.Name+"-"+name, func() (map[string][]byte, error) {
			return map[string][]byte{secretPassword: []byte(rand.Text())}, nil
		}))
	}
	return errors.Join(errs...)
}

type secretMaker struct {
	secrets typed.SecretInterface
	out     io.Writer
}

// ticketKeys makes the key that control planes sign with, and its public half
// apart from it: gateways have no business with the private one.
func (m secretMaker) ticketKeys(ctx context.Context, name string) error {
	folder, err := os.MkdirTemp("", "keys")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, secretTicketKey)
	err = m.ensure(ctx, name+"-ticket", func() (map[string][]byte, error) {
		if _, err := ticket.LoadOrCreateKey(file); err != nil {
			return nil, err
		}
		text, err := os.ReadFile(file)
		return map[string][]byte{secretTicketKey: text}, err
	})
	if err != nil {
		return err
	}
	return m.ensure(ctx, name+"-ticket-public", func() (map[string][]byte, error) {
		// Of the key that is there, whoever made it.
		private, err := m.secrets.Get(ctx, name+"-ticket", metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, private.Data[secretTicketKey], 0o600); err != nil {
			return nil, err
		}
		key, err := ticket.LoadOrCreateKey(file)
		if err != nil {
			return nil, err
		}
		text, err := ticket.EncodePublicKeys(key.Public())
		return map[string][]byte{secretTicketPublic: text}, err
	})
}

// ensure makes the Secret if there is none. Of several that do so at once, one
// wins.
func (m secretMaker) ensure(ctx context.Context, name string, data func() (map[string][]byte, error)) error {
	_, err := m.secrets.Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		fmt.Fprintf(m.out, "secret %s is there\n", name)
		return nil
	}
	if !kubeerrors.IsNotFound(err) {
		return fmt.Errorf("looking for secret %s: %w", name, err)
	}
	content, err := data()
	if err != nil {
		return fmt.Errorf("making secret %s: %w", name, err)
	}
	_, err = m.secrets.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app.kubernetes.io/part-of": "streamspace", "app.kubernetes.io/managed-by": "streamspace-setup"}},
		Type:       corev1.SecretTypeOpaque, Data: content,
	}, metav1.CreateOptions{})
	if err != nil && !kubeerrors.IsAlreadyExists(err) {
		return fmt.Errorf("making secret %s: %w", name, err)
	}
	fmt.Fprintf(m.out, "secret %s was made\n", name)
	return nil
}
