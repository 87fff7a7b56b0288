package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// label gives a session that somebody declared the id that the control plane
// knows it by. The id is in the cluster before it is anywhere else, so that a
// control plane that ends in between goes on with the same one.
func (r *Runtime) label(ctx context.Context, s *v1alpha1.Session) error {
	if !r.adopts() || s.DeletionTimestamp != nil {
		return nil
	}
	base := s.DeepCopy()
	if s.Labels == nil {
		s.Labels = make(map[string]string)
	}
	s.Labels[v1alpha1.LabelSessionID] = string(streamspace.NewSessionID())
	err := r.client.Patch(ctx, s, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}), client.FieldOwner(fieldOwner))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // newer news follow
	}
	if err != nil {
		return fmt.Errorf("labelling the Session %s: %w", s.Name, err)
	}
	return nil
}

// adopts tells whether this process is the one that takes sessions in: the one
// that is watched. Others of the same database only look.
func (r *Runtime) adopts() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.watched && r.options.Adopter != nil
}

// heed passes on what others ask for in the cluster.
func (r *Runtime) heed(ctx context.Context, id streamspace.SessionID, s *v1alpha1.Session) error {
	if !r.adopts() {
		return nil
	}
	state := streamspace.DesiredState(s.Spec.State)
	r.mu.Lock()
	adopted, heard := r.adopted[id] || s.Name == objectName(id), r.wished[id] == s.Generation
	r.mu.Unlock()
	if !adopted && s.DeletionTimestamp == nil {
		err := r.options.Adopter.Adopt(ctx, id, Declared{Name: s.Name, User: s.Spec.User, Template: s.Spec.Template, State: state})
		if err != nil && !errors.Is(err, ErrUnknown) {
			return fmt.Errorf("taking in the Session %s: %w", s.Name, err)
		}
		if err != nil {
			r.options.Log.Warn("a Session of the cluster is left to itself", "session", s.Name, "user", s.Spec.User, "error", err)
		}
		r.mu.Lock()
		r.adopted[id] = true
		r.mu.Unlock()
	}
	if s.DeletionTimestamp != nil {
		state = streamspace.DesiredStopped
	}
	if heard || state != streamspace.DesiredStopped && wroteState(s) == fieldOwner {
		return nil
	}
	if err := r.options.Adopter.Want(ctx, id, state); err != nil && !errors.Is(err, ErrUnknown) {
		return fmt.Errorf("passing on what is wanted of the Session %s: %w", s.Name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wished[id] = s.Generation
	return nil
}

// wroteState is who wrote spec.state last: the API server keeps account of that.
func wroteState(s *v1alpha1.Session) string {
	who := ""
	for _, entry := range s.ManagedFields {
		if entry.FieldsV1 == nil || entry.Subresource != "" {
			continue
		}
		var fields struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		if _, ok := fields.Spec["f:state"]; ok {
			if entry.Manager == fieldOwner {
				return fieldOwner // with the same value, if others have it too
			}
			who = entry.Manager
		}
	}
	return who
}
