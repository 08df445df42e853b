package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// What clients and proxies of all ages do with HTTP/1, each on a connection of its own: what is sent, and the statuses
// of the answers.
func TestServer_AnswersEveryWayToSendARequest(t *testing.T) {
	r := start(t)
	address := net.JoinHostPort(api.Host, strconv.Itoa(r.port))
	post := func(version, target, header, body string) string {
		return "POST " + target + " HTTP/" + version + "\r\nHost: " + address + "\r\n" + api.TokenHeader + ": " +
			session + "\r\n" + header + "\r\n" + body
	}
	sized := func(header string) string {
		return post("1.1", api.PathTokenize, header+fmt.Sprintf("Content-Length: %d\r\n", len(cardItem)), cardItem)
	}
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(cardItem), cardItem)
	for _, tt := range []struct {
		name, sent string
		want       []int
	}{
		{"as usual", sized(""), []int{200}},
		{"h2c upgrade",
			sized(
				"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"),
			[]int{200}},
		{"HTTP/2 with prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{403}},
		{"Expect", sized("Expect: 100-continue\r\n"), []int{100, 200}},
		{"an expectation of something else", sized("Expect: tea\r\n"), []int{417}},
		{"chunked", post("1.1", api.PathTokenize, "Transfer-Encoding: chunked\r\n", chunk+"0\r\n\r\n"), []int{200}},
		{"chunked, with a trailer",
			post("1.1", api.PathTokenize, "Transfer-Encoding: chunked\r\nTrailer: X\r\n", chunk+"0\r\nX: y\r\n\r\n"),
			[]int{200}},
		{"chunked batch",
			post("1.1", api.PathTokenizeBatch, "Transfer-Encoding: chunked\r\n",
				"c\r\n{\"items\":[{}\r\n2\r\n]}\r\n0\r\n\r\n"), []int{200}},
		{"two lengths", sized("Content-Length: 1\r\n"), []int{400}},
		{"a length and chunks",
			post("1.1", api.PathTokenize, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunk+"0\r\n\r\n"),
			[]int{200}},
		{"HTTP/1.0", post("1.0", api.PathTokenize, fmt.Sprintf("Content-Length: %d\r\n", len(cardItem)), cardItem),
			[]int{200}},
		{"pipelined", sized("") + sized("") + sized(""), []int{200, 200, 200}},
		{"absolute form",
			post("1.1", "http://"+address+api.PathTokenize, fmt.Sprintf("Content-Length: %d\r\n", len(cardItem)),
				cardItem), []int{200}},
		{"absolute form of another host",
			post("1.1", "http://other.example"+api.PathTokenize, "Content-Length: 0\r\n", ""), []int{403}},
		{"two hosts", sized("Host: " + address + "\r\n"), []int{400}},
		{"no host", "GET /ping HTTP/1.1\r\n\r\n", []int{400}},
		{"two content types", sized("Content-Type: text/plain\r\nContent-Type: application/json\r\n"), []int{200}},
		{"a second token that is wrong", sized(api.TokenHeader + ": other\r\n"), []int{200}},
		{"no HTTP", "hello\r\n\r\n", []int{400}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(conn, tt.sent); err != nil {
				t.Fatal(err)
			}
			answers := bufio.NewReader(conn)
			for _, want := range tt.want {
				resp, err := http.ReadResponse(answers, &http.Request{Method: http.MethodPost})
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != want {
					t.Errorf("%d, want %d: %s, %v", resp.StatusCode, want, body, err)
				}
			}
		})
	}
}

// The kinds of document of Nicolas Seriot's JSONTestSuite, as a body, as an item of a batch and as a value: each is
// carried out or refused for what it is, and none is a defect.
func TestServer_NoJSONIsADefect(t *testing.T) {
	r := start(t)
	deep := strings.Repeat("[", 20_000)
	for _, document := range []string{
		``, ` `, `\u0000`, "\x00", "\xef\xbb\xbf{}", "\xff\xfe{\x00}\x00", `nul`, `nan`, `NaN`, `-NaN`, `Infinity`,
		`-Infinity`, `tru`, `True`, `"`, `"a`, `'a'`,
		`"\x"`, `"\u00"`, `"\uD800"`, `"\uD800\uD800"`, `"\uDC00"`, "\"\n\"", "\"\t\"", "\"\xff\"", "\"\xed\xa0\x80\"",
		"\"\xc0\xaf\"", `"\u0000"`,
		`01`, `-`, `+1`, `.5`, `1.`, `1e`, `0x10`, `1e+`, `-0`, `1e400`, `-1e400`, `123456789012345678901234567890`,
		`1_000`, `１`,
		`[`, `]`, `[,]`, `[1,]`, `[1 2]`, `[1,,2]`, `["a",`, `{`, `}`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a" 1}`,
		`{a:1}`, `{1:1}`, `{"a":1 "b":2}`,
		`{"a":1}}`, `{"a":1}#`, `{"a":1}/**/`, `{"a":1}//`, `{"":0}`, `{"a":{"a":{}}}`, deep,
		deep + strings.Repeat("]", 20_000), strings.Repeat(`{"a":`, 4000),
		"\u2028", "\u00a0{}", "{}\x0c", `{"\uDFAA":0}`, `<!DOCTYPE html>`, `data=1`,
	} {
		for _, tt := range []struct{ path, body string }{
			{api.PathTokenize, document}, {api.PathTokenize, `{"data":` + document + `}`},
			{api.PathTokenize, `{"data":"` + visa + `","ttl":` + document + `}`},
			{api.PathTokenize, `{"data":"` + visa + `","metadata":{"a":` + document + `}}`},
			{api.PathTokenizeBatch, document}, {api.PathTokenizeBatch, `{"items":` + document + `}`},
			{api.PathTokenizeBatch, `{"items":[` + document + `]}`},
			{api.PathTokenizeBatch, `{"items":[{"reference":` + document + `}]}`},
			{api.PathDetokenize, document}, {api.PathDetokenizeBatch, `{"items":[{"token":` + document + `}]}`},
		} {
			status, answer, _ := r.do(t, call{path: tt.path, body: tt.body})
			if status != 200 && status != 400 && status != 413 || strings.Contains(answer, "internal-error") {
				t.Errorf("%s %.60q: %d %s", tt.path, tt.body, status, answer)
			}
		}
	}
}

// Some programs write a limit that they do not have as null, or as a number that is none.
func TestTokenize_RefusesALimitThatIsNoFiniteNumber(t *testing.T) {
	r := start(t)
	for _, member := range []string{"ttl", "max_uses"} {
		for value, field := range map[string]string{
			"null": member, "1e999": member, "-1e999": member, "1.5": member, `"60"`: member, "NaN": "", "Infinity": "",
			"undefined": "",
		} {
			for _, path := range []string{api.PathTokenize, api.PathTokenizeBatch} {
				body := `{"data":"` + visa + `","` + member + `":` + value + `}`
				if path == api.PathTokenizeBatch {
					body = items(body)
				}
				_, answer, _ := r.do(t, call{path: path, body: body})
				if strings.Contains(answer, `"token":"`) || !strings.Contains(answer, `"code":"invalid-request"`) ||
					field != "" && !strings.Contains(answer, `"field":"`+field+`"`) {
					t.Errorf("%s, %s %s: %s", path, member, value, answer)
				}
			}
		}
	}
	if r.rows() != 0 {
		t.Errorf("%d rows", r.rows())
	}
}

func TestTokenize_RefusesNamesOfVerificationDataInMetadata(t *testing.T) {
	r := start(t)
	for name, want := range map[string]int{
		"ccCvv": 400, "cc_cvv": 400, "cvd": 400, "cardCode": 400, "card_verification_number": 400, "pin_code": 400,
		"pinCode":             400,
		"encrypted_pin_block": 400, "track3": 400, "mapping": 200, "shipping": 200, "pinned": 200, "discover": 200,
	} {
		status, answer, _ := r.do(t,
			call{path: api.PathTokenize, body: `{"data":"` + visa + `","metadata":{"` + name + `":"x"}}`})
		if status != want || want == 400 && !strings.Contains(answer, `"field":"metadata"`) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

func TestTokenize_TakesALimitThatIsAnIntegerByItsValue(t *testing.T) {
	r := start(t)
	for _, limits := range []string{`"ttl":3600.0`, `"ttl":3.6e3`, `"max_uses":1e2`, `"max_uses":10E-1`,
		`"ttl":36000e-1,"max_uses":5.00`} {
		for _, path := range []string{api.PathTokenize, api.PathTokenizeBatch} {
			body := `{"data":"` + visa + `",` + limits + `}`
			if path == api.PathTokenizeBatch {
				body = items(body)
			}
			if _, answer, _ := r.do(t, call{path: path, body: body}); !strings.Contains(answer, `"token":"`) {
				t.Errorf("%s, %s: %s", path, limits, answer)
			}
		}
	}
	_, answer, _ := r.do(t, call{path: api.PathTokenize, body: `{"data":"` + visa + `","max_uses":2.0e0}`})
	read := `{"token":"` + tokenOf(t, answer) + `"}`
	if _, answer, _ := r.do(t, call{path: api.PathMetadata, body: read}); !strings.Contains(answer, `"max_uses":2}`) {
		t.Error(answer)
	}
}

// The networks' own test numbers, of every length that there is.
func TestTokenize_TakesCardsOfEveryBrandAndLength(t *testing.T) {
	r := start(t)
	for _, digits := range []string{
		"000000000000", "4222222222222", "30569309025904", "378282246310005", visa, "5555555555554444",
		"2223003122003222", "6011111111111117",
		"3530111333300000", "6200000000000005", "6759649826438453", "2200000000000004", "5066991111111118",
		"6062825624254001",
		"00000000000000000", "000000000000000000", "5060990580000217499",
	} {
		_, answer, _ := r.do(t, call{path: api.PathTokenize, body: `{"data":"` + digits + `"}`})
		read := `{"token":"` + tokenOf(t, answer) + `","redaction":"PLAIN_TEXT"}`
		if _, answer, _ := r.do(t, call{path: api.PathDetokenize, body: read}); !strings.Contains(answer,
			`"`+digits+`"`) {
			t.Errorf("%d digits: %s", len(digits), answer)
		}
	}
}
