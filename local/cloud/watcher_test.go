package cloud_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/authorizer"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
)

func TestWatcher_IsToldOfRequestsCallsAndDecisions(t *testing.T) {
	var mu sync.Mutex
	var decided, answered, invoked []string
	note := func(to *[]string, text string) {
		mu.Lock()
		defer mu.Unlock()
		*to = append(*to, text)
	}
	s := deployWith(t, cloud.Options{
		Assembly: load(t), Account: synth.Account, Region: synth.Region,
		Watcher: cloud.Watcher{
			Decided: func(c awsproxy.Call, d authorizer.Decision) {
				if d.Missing == "" && len(d.Allowed) == 0 {
					t.Errorf("%s is allowed by nothing", d.Action)
				}
				note(&decided, c.ID)
			},
			Answered: func(c awsproxy.Call, status int, _ time.Duration) {
				note(&answered, c.ID)
				if status != 200 {
					t.Errorf("%s: %d", c.Operation, status)
				}
			},
			Invoked: func(i cloud.Invocation) {
				if i.Status == 0 || i.Took <= 0 || i.Started.IsZero() || !strings.HasPrefix(i.Function, "AppStack-") {
					t.Errorf("%+v", i)
				}
				note(&invoked, i.Route)
			},
		},
	})
	w := s.walk()
	if _, err := w.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Pay(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(invoked, []string{"POST /order", "POST /paybill"}) {
		t.Errorf("invoked: %q", invoked)
	}
	if len(answered) < 5 || len(decided) < len(answered) {
		t.Errorf("%d calls, %d decisions", len(answered), len(decided))
	}
}

// Somebody whose own policies allow everything: what is left is what the policies of keys, tables and boundaries say.
func TestActAsPrincipal_MayDoWhatTheResourcesLeave(t *testing.T) {
	s := deploy(t, load(t))
	if err := s.use(t.Context()); err != nil {
		t.Fatal(err)
	}
	const developer, team = "arn:aws:iam::123456789012:role/developer", "arn:aws:iam::123456789012:role/team"
	sealed := map[string]string{
		"table": vaultTable, "account_id": synth.Account, "ref": "00000000000000000000000000000000",
	}
	dataKey, err := s.Clients.KMS.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{
		KeyId: new(s.Outputs["KMSKeyID"]), KeySpec: "AES_256", EncryptionContext: sealed,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []struct {
		arn, boundary string
		scans         bool
	}{{developer, "/tokenizer-deployers", false}, {team, "", true}} {
		config, err := s.ActAsPrincipal(who.arn, who.boundary)
		if err != nil {
			t.Fatal(err)
		}
		tables := dynamodb.NewFromConfig(config)
		if _, err := tables.Scan(t.Context(), &dynamodb.ScanInput{TableName: new(orderTable)}); err != nil {
			t.Errorf("%s cannot read the orders: %v", who.arn, err)
		}
		_, err = tables.Scan(t.Context(), &dynamodb.ScanInput{TableName: new(vaultTable)})
		if (err == nil) != who.scans {
			t.Errorf("%s reads the vault: error = %v", who.arn, err)
		}
		_, err = kms.NewFromConfig(config).Decrypt(t.Context(), &kms.DecryptInput{
			KeyId: new(s.Outputs["KMSKeyID"]), CiphertextBlob: dataKey.CiphertextBlob, EncryptionContext: sealed,
		})
		if !denied(err) {
			t.Errorf("%s decrypts: error = %v", who.arn, err)
		}
	}
	if _, err := s.ActAsPrincipal("arn:aws:iam::123456789012:role/x", "/nothing"); err == nil {
		t.Error("a boundary that does not exist is accepted")
	}
}
