package operator

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// labelManaged marks what the operator made; labelComponent says what it is.
const (
	labelManaged   = "app.kubernetes.io/managed-by"
	labelComponent = "app.kubernetes.io/component"
)

// annotationDigest is on what is applied: of what was applied, so that the same
// is not applied again.
const annotationDigest = v1alpha1.Group + "/applied"

// homeOf is which of the user's homes a session runs on.
func homeOf(s *v1alpha1.Session) string {
	if s.Spec.Home != "" {
		return s.Spec.Home
	}
	return s.Spec.Template
}

// claimName names a home's volume claim, and the pod on it: what the two names
// begin with, for people, and enough of a digest that no two homes share it.
// At most 63 characters, since pods' names become host names.
func claimName(user, home string) string {
	digest := sha256.Sum256([]byte(user + "/" + home))
	return head(user, 24) + "-" + head(home, 24) + "-" + hex.EncodeToString(digest[:5])
}

func head(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.Trim(s, "-")
}

func secretName(s *v1alpha1.Session) string { return s.Name + "-desktop" }

// labelsOf are what a session's objects carry.
func labelsOf(s *v1alpha1.Session) map[string]string {
	return map[string]string{
		labelManaged: fieldOwner, labelComponent: Component,
		v1alpha1.LabelSession: s.Name, v1alpha1.LabelUser: s.Spec.User, v1alpha1.LabelTemplate: s.Spec.Template, v1alpha1.LabelHome: homeOf(s),
	}
}
