package v1alpha1_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace/controlplane/operator/kubetest"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

var cluster *kubetest.Cluster

func TestMain(m *testing.M) {
	os.Exit(kubetest.Run(m, func(c *kubetest.Cluster) { cluster = c }))
}

func session() *v1alpha1.Session {
	return &v1alpha1.Session{
		ObjectMeta: metav1.ObjectMeta{Name: "paint"},
		Spec:       v1alpha1.SessionSpec{Template: "gimp", User: "ada"},
	}
}

func template() *v1alpha1.Template {
	return &v1alpha1.Template{
		ObjectMeta: metav1.ObjectMeta{Name: "gimp"},
		Spec:       v1alpha1.TemplateSpec{DisplayName: "GIMP", Image: "localhost/gimp:1", Command: []string{"gimp"}},
	}
}

// What an API server refuses, and what it says to whoever wrote it.
func TestWrongObjectsAreRefused(t *testing.T) {
	t.Parallel()
	namespace := cluster.Namespace(t)
	wrong := func(change func(*v1alpha1.Session)) client.Object {
		s := session()
		change(s)
		return s
	}
	wrongTemplate := func(change func(*v1alpha1.Template)) client.Object {
		o := template()
		change(o)
		return o
	}
	for _, test := range []struct {
		object client.Object
		says   string
	}{
		{wrong(func(s *v1alpha1.Session) { s.Name = strings.Repeat("a", 53) }), "at most 52 characters"},
		{wrong(func(s *v1alpha1.Session) { s.Spec.Template = "Gimp" }), "template: lower-case letters"},
		{wrong(func(s *v1alpha1.Session) { s.Spec.User = "ada.lovelace" }), "user: lower-case letters"},
		{wrong(func(s *v1alpha1.Session) { s.Spec.User = "" }), "spec.user"},
		{wrong(func(s *v1alpha1.Session) { s.Spec.Home = "-" }), "home: lower-case letters"},
		{wrong(func(s *v1alpha1.Session) { s.Spec.State = "asleep" }), `"running", "hibernated"`},
		{wrong(func(s *v1alpha1.Session) { s.Spec.Restart = "Sometimes" }), `"Always", "Never"`},
		{wrong(func(s *v1alpha1.Session) { s.Spec.Screen.Width = 5 }), "greater than or equal to 16"},
		{wrong(func(s *v1alpha1.Session) { s.Spec.Start = -1 }), "greater than or equal to 1"},
		{wrongTemplate(func(o *v1alpha1.Template) { o.Name = "gimp.2" }), "a template's name has"},
		{wrongTemplate(func(o *v1alpha1.Template) { o.Spec.Image = "gimp latest" }), "has no spaces"},
		{wrongTemplate(func(o *v1alpha1.Template) { o.Spec.Command = nil }), "spec.command"},
		{wrongTemplate(func(o *v1alpha1.Template) { o.Spec.Architectures = []string{"mips"} }), `"amd64", "arm64"`},
		{wrongTemplate(func(o *v1alpha1.Template) { o.Spec.Env = map[string]string{"a-b": "c"} }), "env: names of variables"},
		{wrongTemplate(func(o *v1alpha1.Template) { o.Spec.Network = "moon" }), `"none", "internet"`},
		{wrongTemplate(func(o *v1alpha1.Template) { o.Spec.VNC.Port = 80 }), "greater than or equal to 1024"},
		{wrongTemplate(func(o *v1alpha1.Template) { o.Spec.IdleTimeout = &metav1.Duration{Duration: time.Second} }), "at least 1m"},
		{wrongTemplate(func(o *v1alpha1.Template) { o.Spec.WritablePaths = []string{"var/cache"} }), "writablePaths: absolute folders"},
		{wrongTemplate(func(o *v1alpha1.Template) { o.Spec.Home.Path = "/" }), "home.path: an absolute folder"},
		{&v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: "ada"}, Spec: v1alpha1.UserSpec{Email: "ada"}}, "email: an address such as"},
		{&v1alpha1.TemplateRepository{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: v1alpha1.TemplateRepositorySpec{URL: "ftp://a"}}, "url: https://… or oci://…"},
	} {
		test.object.SetNamespace(namespace)
		err := cluster.Client.Create(t.Context(), test.object)
		if err == nil {
			t.Errorf("%+v was taken; expected: %s", test.object, test.says)
		} else if !strings.Contains(err.Error(), test.says) {
			t.Errorf("expected %q, got: %v", test.says, err)
		}
	}
}

// What may not be changed later.
func TestWhatASessionKeeps(t *testing.T) {
	t.Parallel()
	s := session()
	s.Namespace = cluster.Namespace(t)
	s.Spec.Start = 7
	if err := cluster.Client.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*v1alpha1.Session){
		"a session keeps its template": func(s *v1alpha1.Session) { s.Spec.Template = "chromium" },
		"a session keeps its user":     func(s *v1alpha1.Session) { s.Spec.User = "eve" },
		"a session keeps its home":     func(s *v1alpha1.Session) { s.Spec.Home = "other" },
		"start only grows":             func(s *v1alpha1.Session) { s.Spec.Start = 6 },
	} {
		changed := s.DeepCopy()
		change(changed)
		if err := cluster.Client.Update(t.Context(), changed); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("expected %q, got: %v", says, err)
		}
	}
	s.Spec.State, s.Spec.Start = v1alpha1.StateHibernated, 8
	if err := cluster.Client.Update(t.Context(), s); err != nil {
		t.Error(err)
	}
}

// What is not said is what most people want.
func TestDefaults(t *testing.T) {
	t.Parallel()
	namespace := cluster.Namespace(t)
	s, o := session(), template()
	for _, object := range []client.Object{s, o} {
		object.SetNamespace(namespace)
		if err := cluster.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	if s.Spec.State != v1alpha1.StateRunning || s.Spec.Restart != v1alpha1.RestartAlways || s.Spec.Start != 1 ||
		s.Spec.Screen != (v1alpha1.Screen{Width: 1280, Height: 800}) {
		t.Errorf("a session's defaults: %+v", s.Spec)
	}
	if o.Spec.VNC.Port != 5900 || len(o.Spec.VNC.Ready) == 0 || o.Spec.Network != v1alpha1.NetworkNone ||
		o.Spec.Home.Path != "/home/streamspace" || o.Spec.Home.Size.Cmp(resource.MustParse("5Gi")) != 0 {
		t.Errorf("a template's defaults: %+v", o.Spec)
	}
}
