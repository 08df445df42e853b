package server_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Programs of the layer's clients for other languages. Each prints, of what it does with a token that is bound to a context, the data or
// the code of the error.
var thinClients = map[string][]string{
	"python": {"python3", "-c", `
from lambda_tokenizer import tokenize, detokenize, validate, metadata, revoke, TokenizerError
def show(do):
    try:
        print(do())
    except TokenizerError as error:
        print(error.code)
card, context = "4111111111111111", {"order": "1"}
token = tokenize(card, context=context)["token"]
show(lambda: detokenize(token, context=context)["data"])
show(lambda: validate(token, context=context)["live"])
show(lambda: metadata(token, context=context)["type"])
show(lambda: detokenize(token, context={"order": "2"})["data"])
show(lambda: detokenize(token)["data"])
show(lambda: tokenize(card, context=None, binding={"purpose": "refund"})["token"])
show(lambda: tokenize(card, context={})["token"])
both = tokenize(card, context=context, binding={"purpose": "refund"})["token"]
show(lambda: metadata(both, context=context)["purpose"])
show(lambda: revoke(token)["existed"])
show(lambda: detokenize(token, context=context)["data"])
`},
	"node": {"node", "--input-type=module", "-e", `
const { tokenize, detokenize, validate, metadata, revoke, TokenizerError } = await import(process.env.CLIENT);
const show = async (answer, member) => {
  try {
    console.log(String((await answer)[member]).replace(/^(true|false)$/, (b) => b[0].toUpperCase() + b.slice(1)));
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    console.log(error.code);
  }
};
const card = "4111111111111111", context = { order: "1" };
const { token } = await tokenize(card, { context });
await show(detokenize(token, { context }), "data");
await show(validate(token, { context }), "live");
await show(metadata(token, { context }), "type");
await show(detokenize(token, { context: { order: "2" } }), "data");
await show(detokenize(token), "data");
await show(tokenize(card, { context: undefined, binding: { purpose: "refund" } }), "token");
await show(tokenize(card, { context: {} }), "token");
const both = await tokenize(card, { context, binding: { purpose: "refund" } });
await show(metadata(both.token, { context }), "purpose");
await show(revoke(token), "existed");
await show(detokenize(token, { context }), "data");
`},
}

func TestThinClients_BindTokensToAContext(t *testing.T) {
	const want = "************1111\nTrue\ncard\nbinding-mismatch\nbinding-mismatch\ninvalid-request\ninvalid-request\nrefund\nTrue\ntoken-revoked\n"
	layer, err := filepath.Abs("../../layer")
	if err != nil {
		t.Fatal(err)
	}
	for name, program := range thinClients {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(program[0]); err != nil && os.Getenv("CI") == "" {
				t.Skipf("%s is not installed", program[0])
			}
			command := exec.CommandContext(t.Context(), program[0], program[1:]...)
			command.Env = append(os.Environ(),
				"PYTHONPATH="+filepath.Join(layer, "python"), "PYTHONDONTWRITEBYTECODE=1",
				"CLIENT="+filepath.Join(layer, "nodejs", "node_modules", "lambda-tokenizer", "index.mjs"),
				"TOKENIZER_PORT="+strconv.Itoa(start(t).port), "AWS_SESSION_TOKEN="+session)
			got, err := command.CombinedOutput()
			if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}
