// Package deploy proves what is in deploy/.
package deploy

import (
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// TestKubernetes: every manifest has only the fields that Kubernetes knows, and what its parts name of each other is there.
func TestKubernetes(t *testing.T) {
	text, err := os.ReadFile("../../deploy/kubernetes/latchkey.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var service corev1.Service
	var set appsv1.StatefulSet
	kinds := map[string]any{"ServiceAccount": &corev1.ServiceAccount{}, "Service": &service, "StatefulSet": &set}
	for documents := yaml.NewYAMLReader(bufferOf(text)); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var meta metav1.TypeMeta
		if err := strict.Unmarshal(document, &meta); err != nil {
			t.Fatal(err)
		}
		into, ok := kinds[meta.Kind]
		if !ok {
			t.Fatalf("a %q that no test knows, or twice", meta.Kind)
		}
		delete(kinds, meta.Kind)
		if err := strict.UnmarshalStrict(document, into); err != nil {
			t.Errorf("%s: %v", meta.Kind, err)
		}
	}
	if len(kinds) > 0 {
		t.Fatalf("missing: %v", kinds)
	}

	pod := set.Spec.Template
	for name, value := range service.Spec.Selector {
		if pod.Labels[name] != value || set.Spec.Selector.MatchLabels[name] != value {
			t.Errorf("the service selects %s=%s, which the pods do not have", name, value)
		}
	}
	container := pod.Spec.Containers[0]
	ports := map[string]corev1.ContainerPort{}
	for _, port := range container.Ports {
		ports[port.Name] = port
	}
	protocol := func(p corev1.Protocol) corev1.Protocol {
		if p == "" {
			return corev1.ProtocolTCP
		}
		return p
	}
	for _, port := range service.Spec.Ports {
		if target, ok := ports[port.TargetPort.StrVal]; !ok || protocol(target.Protocol) != protocol(port.Protocol) {
			t.Errorf("the service's port %s leads nowhere", port.Name)
		}
	}
	// Each address that the server is told of is a port of the container, and the other way round.
	listens := map[string]bool{}
	for _, variable := range container.Env {
		if strings.HasSuffix(variable.Name, "_LISTEN") {
			_, port, _ := strings.Cut(variable.Value, ":")
			listens[port] = true
		}
		if !regexp.MustCompile(`^LATCHKEY_[A-Z_]+$`).MatchString(variable.Name) || !known(t, variable.Name) {
			t.Errorf("%s is not an option of latchkey serve", variable.Name)
		}
	}
	for _, port := range container.Ports {
		if !listens[format(port.ContainerPort)] {
			t.Errorf("nothing listens on port %s", port.Name)
		}
	}
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, v := range set.Spec.VolumeClaimTemplates {
		volumes[v.Name] = true
	}
	for _, mount := range container.VolumeMounts {
		if !volumes[mount.Name] {
			t.Errorf("the volume %s is not there", mount.Name)
		}
	}
	if pod.Spec.SecurityContext.RunAsNonRoot == nil || !*pod.Spec.SecurityContext.RunAsNonRoot {
		t.Error("the server would run as root")
	}
}
