package cloud_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
)

// With the options on retention, the deployed functions seal a life time and revoke what is paid, and their roles allow
// that.
func TestRetention_OrdersAreKeptForAWhileAndEndWhenTheyArePaid(t *testing.T) {
	settings, err := synth.HostContext()
	if err != nil {
		t.Fatal(err)
	}
	settings["tokenizer:orderTokenDays"], settings["tokenizer:revokePaid"] = "30", "true"
	dir := t.TempDir()
	if err := synth.Run(t.Context(), synth.Options{Out: dir, Context: settings, Log: os.Stderr}); err != nil {
		t.Fatal(err)
	}
	a, err := assembly.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := deploy(t, a)
	idToken := s.signIn(t)
	rows := func(table string) []map[string]types.AttributeValue {
		out, err := s.Clients.DynamoDB.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
		if err != nil {
			t.Fatal(err)
		}
		return out.Items
	}
	order := `{"CustomerOrder":"1","CustomerName":"N","CreditCard":"` + walkthrough.SampleCard + `","Address":"A"}`
	if err := s.post(t.Context(), "/order", idToken, order, http.StatusCreated); err != nil {
		t.Fatal(err)
	}
	if vault := rows(vaultTable); len(vault) != 1 || vault[0]["ExpiresAt"] == nil {
		t.Errorf("the vault has %d rows, want 1 with ExpiresAt", len(vault))
	}
	for _, status := range []int{http.StatusOK, http.StatusConflict} {
		if err := s.post(t.Context(), "/paybill", idToken, `{"CustomerOrder":"1"}`, status); err != nil {
			t.Fatalf("%v\n%s", err, s.log)
		}
	}
	if vault, state := rows(vaultTable), rows(stateTable); len(vault) != 0 || len(state) != 1 {
		t.Errorf("the vault has %d rows, want 0; the state has %d items, want a tombstone", len(vault), len(state))
	}
	if trouble := s.Trouble(); len(trouble) > 0 || strings.Contains(s.log.String(), "was not revoked") {
		t.Errorf("trouble %q\n%s", trouble, s.log)
	}
}
