package operator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// get reads an object by name; nil means that there is none.
func get[T client.Object](ctx context.Context, reader client.Reader, namespace, name string, into T) (T, error) {
	var none T
	err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, into)
	if apierrors.IsNotFound(err) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("reading %T %s: %w", into, name, err)
	}
	return into, nil
}

// applied is the object as the API server is sent it.
func applied(object client.Object) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: fields}
	unstructured.RemoveNestedField(fields, "metadata", "creationTimestamp")
	return u, nil
}

// apply has the object be so, where it is not yet. Fields of others stay.
func (r *sessions) apply(ctx context.Context, object client.Object) error {
	u, err := applied(object)
	if err != nil {
		return err
	}
	unstructured.RemoveNestedField(u.Object, "status")
	if err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(fieldOwner), client.ForceOwnership); err != nil {
		return fmt.Errorf("applying %s %s: %w", u.GetKind(), u.GetName(), err)
	}
	return nil
}

// applyOnce is apply for what is the same for long: it carries the digest of
// what was applied, and is left alone while that is the same.
func (r *sessions) applyOnce(ctx context.Context, object, there client.Object) error {
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:8])
	err = r.client.Get(ctx, client.ObjectKeyFromObject(object), there)
	if err == nil && there.GetAnnotations()[annotationDigest] == digest {
		return nil
	}
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	object.SetAnnotations(map[string]string{annotationDigest: digest})
	return r.apply(ctx, object)
}

func quotaExceeded(err error) bool { return strings.Contains(err.Error(), "exceeded quota") }
