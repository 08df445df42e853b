package process

import (
	"strconv"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/upstream"
)

// The function that the extension serves.
const (
	Account      = "123456789012"
	SessionToken = "benchmark-session-token"
	region       = "us-east-1"
)

// environment is all that an extension gets to know: what Lambda sets, what the constructs set, and where the fakes
// are. The read rate is the highest there is, and there are more connections than clients, since what is measured is
// the extension and not its limits. The peer reads the last group.
func environment(port int, runtimeAPI, services string) []string {
	return []string{
		"AWS_LAMBDA_RUNTIME_API=" + runtimeAPI, "AWS_LAMBDA_FUNCTION_NAME=bench", "AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=AKIDBENCHMARK", "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=" + SessionToken,
		"AWS_ENDPOINT_URL_KMS=http://" + services, "AWS_ENDPOINT_URL_DYNAMODB=http://" + services,

		"TOKENIZER_TABLE=" + upstream.Vault, "TOKENIZER_STATE_TABLE=" + upstream.State,
		"TOKENIZER_INDEX_TABLE=" + upstream.Index,
		"TOKENIZER_TOKEN_KEYS=1=" + upstream.TokenKeyARN, "TOKENIZER_FINGERPRINT_KEYS=1=" + upstream.FingerprintKeyARN,
		"TOKENIZER_ACCESS=tokenize", "TOKENIZER_ACCOUNT_ID=" + Account,
		"TOKENIZER_PORT=" + strconv.Itoa(port), "TOKENIZER_READ_RATE=10000", "TOKENIZER_MAX_CONNECTIONS=256",
		"HOME=/tmp", "PATH=/bin",

		"VAULT_ADDR=http://" + services, "VAULT_RUN_MODE=proxy", "VAULT_AUTH_ROLE=r", "VAULT_AUTH_PROVIDER=aws",
	}
}
