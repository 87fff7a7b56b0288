package setup

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace/controlplane/operator/kubetest"
	"github.com/streamspace/streamspace/gateway/ticket"
)

var cluster *kubetest.Cluster

func TestMain(m *testing.M) {
	os.Exit(kubetest.Run(m, func(c *kubetest.Cluster) { cluster = c }))
}

// What is made fits together, is made once, and is different each time.
func TestMakeSecrets(t *testing.T) {
	wanted := Wanted{Namespace: cluster.Namespace(t), Name: "desks", Passwords: []string{"redis", "postgres"}}
	if err := makeSecrets(t.Context(), cluster.Config, wanted, io.Discard); err != nil {
		t.Fatal(err)
	}
	read := func(name, key string) []byte {
		t.Helper()
		var s corev1.Secret
		if err := cluster.Client.Get(t.Context(), client.ObjectKey{Namespace: wanted.Namespace, Name: name}, &s); err != nil {
			t.Fatal(err)
		}
		return s.Data[key]
	}
	file := filepath.Join(t.TempDir(), "ticket.pem")
	if err := os.WriteFile(file, read("desks-ticket", "ticket.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ticket.LoadOrCreateKey(file)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ticket.ParsePublicKeys(read("desks-ticket-public", "ticket-public.pem"))
	if err != nil || len(public) != 1 || public[0].ID() != key.ID() {
		t.Errorf("the public key is %v, not that of %s: %v", public, key.ID(), err)
	}
	redis, postgres := read("desks-redis", "password"), read("desks-postgres", "password")
	if len(redis) < 26 || string(redis) == string(postgres) {
		t.Error("passwords are short, or the same")
	}
	// The public half comes back from the private one that is there.
	if err := cluster.Client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: wanted.Namespace, Name: "desks-ticket-public"}}); err != nil {
		t.Fatal(err)
	}
	if err := makeSecrets(t.Context(), cluster.Config, wanted, io.Discard); err != nil {
		t.Fatal(err)
	}
	if again, err := ticket.ParsePublicKeys(read("desks-ticket-public", "ticket-public.pem")); err != nil || again[0].ID() != key.ID() {
		t.Errorf("the public key is another one now: %v", err)
	}
	if string(read("desks-redis", "password")) != string(redis) {
		t.Error("a password was changed")
	}
}

func TestMigrateNeedsADatabase(t *testing.T) {
	t.Parallel()
	if err := Migrate(t.Context(), "nonsense://", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("it passed")
	}
}
