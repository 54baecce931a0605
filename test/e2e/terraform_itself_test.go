package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// terraformConfiguration has each resource that the provider has for Directory Service, and its data source. What an engine
// can't have is off: the selective authentication of trusts and the number of domain controllers.
const terraformConfiguration = `
variable "endpoint" {}
variable "password" {}
variable "secret" {}
variable "radius" {}
variable "samba" { type = bool }
variable "second" { type = bool } # of the two states that are applied, one after the other

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "123456789012"
  secret_key                  = "any"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints { ds = var.endpoint }
}
provider "aws" {
  alias                       = "consumer"
  region                      = "us-east-1"
  access_key                  = "111122223333"
  secret_key                  = "any"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints { ds = var.endpoint }
}

resource "aws_directory_service_directory" "plain" {
  name     = "plain.example.com"
  password = var.password
  size     = "Small"
  vpc_settings {
    vpc_id     = "vpc-12345678"
    subnet_ids = ["subnet-11111111", "subnet-22222222"]
  }
  tags = { team = var.second ? "two" : "one" }
}
resource "aws_directory_service_directory" "made" {
  name                                 = "made.example.com"
  short_name                           = "MADE"
  description                          = "by Terraform"
  password                             = var.password
  type                                 = "MicrosoftAD"
  edition                              = "Enterprise"
  alias                                = "made-terraform"
  enable_sso                           = !var.second
  enable_directory_data_access         = var.second
  desired_number_of_domain_controllers = var.samba && var.second ? 2 : null
  vpc_settings {
    vpc_id     = "vpc-12345678"
    subnet_ids = ["subnet-11111111", "subnet-22222222"]
  }
}
resource "aws_directory_service_directory" "connected" {
  name     = aws_directory_service_directory.plain.name
  password = var.password
  size     = "Small"
  type     = "ADConnector"
  connect_settings {
    customer_dns_ips  = var.samba ? aws_directory_service_directory.plain.dns_ip_addresses : ["127.0.0.1"]
    customer_username = "Administrator"
    vpc_id            = "vpc-12345678"
    subnet_ids        = ["subnet-11111111", "subnet-22222222"]
  }
}
resource "aws_directory_service_conditional_forwarder" "remote" {
  directory_id       = aws_directory_service_directory.made.id
  remote_domain_name = "forwarded.example.org"
  dns_ips            = var.second ? ["192.0.2.3"] : ["192.0.2.9", "192.0.2.1"]
}
resource "aws_directory_service_log_subscription" "events" {
  directory_id   = aws_directory_service_directory.made.id
  log_group_name = "terraform"
}
resource "aws_directory_service_radius_settings" "factor" {
  directory_id            = aws_directory_service_directory.made.id
  authentication_protocol = "PAP"
  display_label           = var.second ? "Second factor" : "MFA"
  radius_port             = 18120
  radius_retries          = 1
  radius_servers          = [var.radius]
  radius_timeout          = 5
  shared_secret           = var.secret
}
resource "aws_directory_service_region" "west" {
  directory_id = aws_directory_service_directory.made.id
  region_name  = "eu-west-1"
  vpc_settings {
    vpc_id     = "vpc-87654321"
    subnet_ids = ["subnet-33333333", "subnet-44444444"]
  }
  tags = { where = var.second ? "far west" : "west" }
}
resource "aws_directory_service_shared_directory" "offer" {
  directory_id = aws_directory_service_directory.made.id
  notes        = "by Terraform"
  target { id = "111122223333" }
}
resource "aws_directory_service_shared_directory_accepter" "taken" {
  provider            = aws.consumer
  shared_directory_id = aws_directory_service_shared_directory.offer.shared_directory_id
}
resource "aws_directory_service_trust" "theirs" {
  directory_id                            = aws_directory_service_directory.made.id
  remote_domain_name                      = var.samba ? aws_directory_service_directory.plain.name : "remote.example.org"
  conditional_forwarder_ip_addrs          = var.samba ? aws_directory_service_directory.plain.dns_ip_addresses : ["192.0.2.8"]
  trust_direction                         = "Two-Way"
  trust_password                          = "Common-Secret-9"
  selective_auth                          = !var.samba && var.second ? "Enabled" : "Disabled"
  delete_associated_conditional_forwarder = true
}
data "aws_directory_service_directory" "made" { directory_id = aws_directory_service_directory.made.id }
output "url" { value = data.aws_directory_service_directory.made.access_url }
output "type" { value = data.aws_directory_service_directory.made.type }
`

// TestTerraformItself runs Terraform with a provider that LATCHKEY_TERRAFORM_PROVIDER names, as .ci/terraform-provider makes it:
// a program that this repository does not have, so the tests of its calls are what proves it everywhere.
func TestTerraformItself(t *testing.T) {
	t.Parallel()
	provider := os.Getenv("LATCHKEY_TERRAFORM_PROVIDER")
	path, err := exec.LookPath("terraform")
	if provider == "" || err != nil {
		t.Skip("LATCHKEY_TERRAFORM_PROVIDER names no provider (hint: .ci/terraform-provider makes one), or there is no terraform")
	}
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		const radius = "127.82.28.1"
		radiusServer(t, radius)
		runTerraform(t, path, provider, start(t, "", developing, logging(t)), radius, false)
	})
	t.Run("samba", func(t *testing.T) {
		t.Parallel()
		needSamba(t)
		const radius = "127.82.28.2"
		radiusServer(t, radius)
		s := start(t, "", developing, onSamba(1, "127.82.28.3", "127.82.28.4", "127.82.28.5"), logging(t))
		runTerraform(t, path, provider, s, radius, true)
	})
}

// runTerraform applies two states, one after the other, sees that nothing drifts from either, and destroys the second.
func runTerraform(t *testing.T, path, provider string, s *server, radius string, onSamba bool) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.tf":     terraformConfiguration,
		"terraformrc": fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"hashicorp/aws\" = %q\n  }\n  direct {}\n}\n", filepath.Dir(provider)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		verb, option string
		second       bool
	}{
		{"apply", "-auto-approve", false},
		{"plan", "-detailed-exitcode", false},
		{"apply", "-auto-approve", true},
		{"plan", "-detailed-exitcode", true},
		{"destroy", "-auto-approve", true},
	} {
		command := exec.CommandContext(t.Context(), path, step.verb, step.option, "-no-color", "-input=false")
		command.Dir = dir
		command.Env = []string{
			"PATH=/usr/bin:/bin", "HOME=" + dir, "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=" + filepath.Join(dir, "terraformrc"),
			"TF_VAR_endpoint=" + s.API, "TF_VAR_password=" + adminPassword, "TF_VAR_secret=" + radiusSecret, "TF_VAR_radius=" + radius,
			fmt.Sprint("TF_VAR_samba=", onSamba), fmt.Sprint("TF_VAR_second=", step.second),
		}
		said, err := command.CombinedOutput()
		if _, ended := errors.AsType[*exec.ExitError](err); ended && step.verb == "plan" && command.ProcessState.ExitCode() == 2 {
			t.Errorf("it drifts:\n%s", said) // what comes next is still worth to be seen
		} else if err != nil {
			t.Fatalf("%s: %v\n%s", step.verb, err, said)
		}
	}
	for _, number := range []string{"123456789012", consumer} {
		if left := account(s, number)(t, home, "DescribeDirectories", map[string]any{}).list(t, "DirectoryDescriptions"); len(left) != 0 {
			t.Errorf("%d directories are left", len(left))
		}
	}
}
