package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/operator"
	"github.com/streamspace/streamspace/controlplane/runtime/kube"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/images"
	"github.com/streamspace/streamspace/internal/config"
)

// Operator acts on Session objects in a cluster until ctx ends or it cannot go on.
func Operator(ctx context.Context, settings config.Config, log *slog.Logger, out io.Writer) error {
	clusterLog(log)
	return operate(ctx, settings, log, out)
}

// operate is Operator where the process's log is set up already.
func operate(ctx context.Context, settings config.Config, log *slog.Logger, out io.Writer) error {
	return open(ctx, settings, log, out, func(p *parts) error {
		cluster, own, err := kubeConfig(settings)
		if err != nil {
			return err
		}
		desktops, gateways := settings.KubeNamespace, settings.KubeGatewayNamespace
		if desktops == "" {
			desktops = own
		}
		if gateways == "" {
			gateways = own
		}
		acts, err := operator.New(operator.Options{
			Config: cluster, Namespace: desktops, LeaseNamespace: desktops, Gateways: operator.Gateways{Namespace: gateways},
			Log: log, Registerer: p.registry,
		})
		if err != nil {
			return err
		}
		p.ready.Add("cluster", acts.Ready)
		p.stack.Start("operator", acts.Run)
		return nil
	})
}

// kubeConfig is how the cluster is reached, and the namespace that is meant when
// none is said.
func kubeConfig(settings config.Config) (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	if settings.KubeConfig != "" {
		rules.ExplicitPath = settings.KubeConfig
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil)
	cluster, err := loader.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("finding the cluster's API server (kube-config): %w", err)
	}
	cluster.QPS = -1 // the API server itself sees to fairness; the client's default is 5 a second
	own, _, err := loader.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("finding the namespace (kube-namespace): %w", err)
	}
	return cluster, own, nil
}

// clusterLog has what the libraries for Kubernetes say go to the process's log:
// there is one for all of it.
func clusterLog(log *slog.Logger) {
	klog.SetSlogLogger(log)
	ctrllog.SetLogger(logr.FromSlogHandler(log.Handler()))
}

// podStart is how long a pod may take to come up: a node may have to be added to
// the cluster first, and a large image to be pulled. People see which it is.
const podStart = 10 * time.Minute

// startKube has desktops run in a cluster.
func (p *parts) startKube() (*kube.Runtime, error) {
	cluster, own, err := kubeConfig(p.settings)
	if err != nil {
		return nil, err
	}
	namespace := p.settings.KubeNamespace
	if namespace == "" {
		namespace = own
	}
	people := &adopter{store: p.store, templates: p.catalog.Get}
	desktops, err := kube.New(kube.Options{Config: cluster, Namespace: namespace, Over: people.over, Adopter: people, Log: p.log})
	if err != nil {
		return nil, err
	}
	people.templates = knownBy(p.catalog, desktops)
	p.ready.Add("cluster", desktops.Ready)
	p.stack.Start("desktops", desktops.Run)
	return desktops, nil
}

// knownBy are the catalog's templates, and those that only the cluster has.
func knownBy(catalog *images.Catalog, cluster *kube.Runtime) func(name string) (streamspace.Template, bool) {
	return func(name string) (streamspace.Template, bool) {
		if template, ok := catalog.Get(name); ok {
			return template, true
		}
		return cluster.Template(name)
	}
}

// adopter takes sessions of the cluster into the store.
type adopter struct {
	store     *store.Store
	templates func(name string) (streamspace.Template, bool)
}

// over tells whether a session is to stop for good.
func (a *adopter) over(ctx context.Context, session streamspace.SessionID) (bool, error) {
	row, err := a.store.SessionByID(ctx, session)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return err == nil && row.DesiredState == streamspace.DesiredStopped, err
}

// Adopt makes the row of a session that was declared in the cluster.
func (a *adopter) Adopt(ctx context.Context, session streamspace.SessionID, declared kube.Declared) error {
	_, err := a.store.SessionByID(ctx, session)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	owner, err := a.user(ctx, declared.User)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: the user %q has no account", kube.ErrUnknown, declared.User)
	}
	if err != nil {
		return err
	}
	template, ok := a.templates(declared.Template)
	if !ok {
		return fmt.Errorf("%w: the template %q", kube.ErrUnknown, declared.Template)
	}
	_, err = a.store.CreateSession(ctx, store.NewSession{
		ID: session, Owner: owner.ID, Template: declared.Template, Name: declared.Name, NewHome: true,
		IdleTimeoutSeconds: int32(time.Duration(template.IdleTimeout) / time.Second),
		MaxLive:            math.MaxInt32, // it is there already: the cluster's quotas bound those
		Now:                time.Now(),
	})
	if err != nil {
		return fmt.Errorf("taking in the session %s: %w", declared.Name, err)
	}
	if declared.State == streamspace.DesiredHibernated {
		return a.Want(ctx, session, declared.State)
	}
	return nil
}

// user finds an account by its name, or by its id as it stands in objects.
func (a *adopter) user(ctx context.Context, name string) (store.User, error) {
	if id, err := streamspace.ParseUserID(strings.Replace(name, "usr-", "usr_", 1)); err == nil {
		return a.store.UserByID(ctx, id)
	}
	return a.store.UserByName(ctx, name)
}

// Want writes down what somebody asked for in the cluster.
func (a *adopter) Want(ctx context.Context, session streamspace.SessionID, state streamspace.DesiredState) error {
	_, err := a.store.ChangeSession(ctx, session, time.Now(), func(row *store.Session) error {
		if row.DesiredState == state || row.DesiredState == streamspace.DesiredStopped {
			return store.ErrUnchanged
		}
		row.DesiredState = state
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: the session %s", kube.ErrUnknown, session)
	}
	return err
}
