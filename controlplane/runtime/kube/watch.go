package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
	"github.com/streamspace/streamspace/controlplane/runtime"
)

// Run follows what is in the cluster until ctx ends.
func (r *Runtime) Run(ctx context.Context) error {
	defer r.queue.ShutDown()
	informer, err := r.cache.GetInformer(ctx, &v1alpha1.Session{})
	if err == nil {
		_, err = r.cache.GetInformer(ctx, &v1alpha1.Template{})
	}
	if err != nil {
		return fmt.Errorf("following Sessions in the cluster: %w", err)
	}
	note := func(object any) {
		if key, err := toolscache.DeletionHandlingObjectToName(object); err == nil {
			r.queue.Add(key.Name)
		}
	}
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: note, UpdateFunc: func(_, object any) { note(object) },
		DeleteFunc: func(object any) {
			r.end(object)
			note(object)
		},
	}); err != nil {
		return fmt.Errorf("following Sessions in the cluster: %w", err)
	}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { r.work(ctx) })
	}
	defer group.Wait()
	defer r.queue.ShutDown()
	return r.cache.Start(ctx)
}

// Ready is nil once what is in the cluster has been read.
func (r *Runtime) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if !r.cache.WaitForCacheSync(ctx) {
		return errors.New("the cluster's Sessions have not been read yet")
	}
	return nil
}

// work reads news of sessions, of each by one worker at a time.
func (r *Runtime) work(ctx context.Context) {
	for {
		name, over := r.queue.Get()
		if over {
			return
		}
		if err := r.read(ctx, name); err != nil && ctx.Err() == nil {
			r.options.Log.Warn("reading a Session of the cluster", "session", name, "error", err)
			r.queue.AddRateLimited(name)
		} else {
			r.queue.Forget(name)
		}
		r.queue.Done(name)
	}
}

// read notes what an object says.
func (r *Runtime) read(ctx context.Context, name string) error {
	var s v1alpha1.Session
	err := r.cache.Get(ctx, client.ObjectKey{Namespace: r.options.Namespace, Name: name}, &s)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	r.forget(name)
	if err != nil {
		return nil
	}
	id, err := streamspace.ParseSessionID(s.Labels[v1alpha1.LabelSessionID])
	if err != nil {
		return r.label(ctx, &s)
	}
	if name != objectName(id) {
		r.mu.Lock()
		r.names[id] = name
		r.mu.Unlock()
	}
	if err := r.heed(ctx, id, &s); err != nil {
		return err
	}
	o, known, err := r.observe(ctx, id, &s)
	if err == nil && known {
		r.tell(o)
	}
	return err
}

// observe is what an object says about the desktop, if it does.
func (r *Runtime) observe(ctx context.Context, id streamspace.SessionID, s *v1alpha1.Session) (runtime.Observation, bool, error) {
	o := runtime.Observation{Session: id, Epoch: uint64(s.Status.Start), At: time.Now()}
	if s.DeletionTimestamp != nil || s.Spec.State == v1alpha1.StateHibernated && s.Status.Phase != v1alpha1.PhaseHibernated && s.Status.Phase != v1alpha1.PhaseFailed {
		return o, false, nil // it ends: that it has, is told
	}
	switch s.Status.Phase {
	case v1alpha1.PhasePending, v1alpha1.PhaseStarting:
		o.Phase, o.Step = runtime.PhaseStarting, s.Status.Message
	case v1alpha1.PhaseRunning:
		if s.Status.Address == "" {
			return o, false, nil
		}
		secret, err := r.secret(ctx, s)
		if err != nil {
			return o, false, err
		}
		o.Phase, o.Address, o.Secret = runtime.PhaseReady, "tls:"+s.Status.Address, secret
	case v1alpha1.PhaseFailed:
		o.Phase, o.Reason = runtime.PhaseFailed, s.Status.Message
	case v1alpha1.PhaseHibernated:
		o.Phase = runtime.PhaseGone
	default: // on its way, or not looked at yet
		return o, false, nil
	}
	return o, true, nil
}

// secret is what a gateway shows the desktop: see broker.Route.
func (r *Runtime) secret(ctx context.Context, s *v1alpha1.Session) ([]byte, error) {
	if known, ok := r.known(s); ok {
		return known, nil
	}
	var secret corev1.Secret
	if err := r.client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: s.Status.Secret}, &secret); err != nil {
		return nil, fmt.Errorf("reading the certificate of the Session %s: %w", s.Name, err)
	}
	var text []byte
	for _, key := range []string{"gateway.crt", "gateway.key", "ca.crt"} {
		if len(secret.Data[key]) == 0 {
			return nil, fmt.Errorf("the secret %s has no %s", secret.Name, key)
		}
		text = append(text, secret.Data[key]...)
	}
	return text, nil
}

// known is the secret that was read for the same start: it does not change
// while a desktop runs.
func (r *Runtime) known(s *v1alpha1.Session) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o, ok := r.seen[streamspace.SessionID(s.Labels[v1alpha1.LabelSessionID])]
	return o.Secret, ok && o.Phase == runtime.PhaseReady && o.Epoch == uint64(s.Status.Start) && o.Address == "tls:"+s.Status.Address
}

// end keeps a deleted object until its session is read next.
func (r *Runtime) end(object any) {
	if last, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = last.Obj
	}
	if s, ok := object.(*v1alpha1.Session); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended[s.Name] = s
	}
}

// forget tells of a deleted object that its desktop is gone. Whoever reads the
// session does it, so that nothing older is told after it.
func (r *Runtime) forget(name string) {
	r.mu.Lock()
	s := r.ended[name]
	delete(r.ended, name)
	r.mu.Unlock()
	if s == nil {
		return
	}
	id, err := streamspace.ParseSessionID(s.Labels[v1alpha1.LabelSessionID])
	if err != nil {
		return
	}
	r.tell(runtime.Observation{Session: id, Epoch: uint64(max(s.Status.Start, s.Spec.Start)), Phase: runtime.PhaseGone, At: time.Now()})
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.seen, id)
	delete(r.names, id)
	delete(r.adopted, id)
	delete(r.wished, id)
}

// tell puts down what the watcher is to hear, if it is news.
func (r *Runtime) tell(o runtime.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, ok := r.seen[o.Session]; ok && was.Epoch == o.Epoch && was.Phase == o.Phase && was.Step == o.Step && was.Reason == o.Reason && was.Address == o.Address {
		return
	}
	r.seen[o.Session] = o
	if _, waits := r.told[o.Session]; !waits {
		r.order = append(r.order, o.Session)
	}
	r.told[o.Session] = o
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Watch delivers what there is, Synced, and then every change.
func (r *Runtime) Watch(ctx context.Context) <-chan runtime.Observation {
	observations := make(chan runtime.Observation)
	go func() { // ends with ctx, which is what closes the channel
		defer close(observations)
		r.deliver(ctx, observations)
	}()
	return observations
}

func (r *Runtime) deliver(ctx context.Context, to chan<- runtime.Observation) {
	if !r.cache.WaitForCacheSync(ctx) {
		return
	}
	r.mu.Lock()
	r.watched = true
	clear(r.told)
	r.order = nil
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.watched = false
		r.mu.Unlock()
	}()
	first, err := r.present(ctx)
	if err != nil && ctx.Err() == nil {
		r.options.Log.Warn("reading the Sessions of the cluster", "error", err) // each is told when it can be read
	}
	for _, o := range append(first, runtime.Observation{Synced: true, At: time.Now()}) {
		select {
		case to <- o:
		case <-ctx.Done():
			return
		}
	}
	for {
		o, ok := r.next()
		if !ok {
			select {
			case <-r.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case to <- o:
		case <-ctx.Done():
			return
		}
	}
}

// present reads what is there now, and has what others declared looked at.
func (r *Runtime) present(ctx context.Context) ([]runtime.Observation, error) {
	var all v1alpha1.SessionList
	if err := r.cache.List(ctx, &all, client.InNamespace(r.options.Namespace)); err != nil {
		return nil, err
	}
	var first []runtime.Observation
	var errs []error
	for i := range all.Items {
		s := &all.Items[i]
		r.queue.Add(s.Name)
		id, err := streamspace.ParseSessionID(s.Labels[v1alpha1.LabelSessionID])
		if err != nil {
			continue
		}
		o, known, err := r.observe(ctx, id, s)
		if err != nil {
			errs = append(errs, err)
		} else if known {
			first = append(first, o)
		}
	}
	return first, errors.Join(errs...)
}

// next takes the observation that has waited longest.
func (r *Runtime) next() (runtime.Observation, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.order) == 0 {
		return runtime.Observation{}, false
	}
	o := r.told[r.order[0]]
	delete(r.told, r.order[0])
	r.order = r.order[1:]
	return o, true
}
