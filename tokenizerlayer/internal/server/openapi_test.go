package server_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/brand"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
)

// openAPI is docs/openapi.json, and its schemas.
type openAPI struct {
	document any
	compiler *jsonschema.Compiler

	mu      sync.Mutex
	schemas map[string]*jsonschema.Schema // by the pointer to them
}

// theOpenAPI reads the document once for all tests.
var theOpenAPI = sync.OnceValues(func() (*openAPI, error) {
	f, err := os.Open("../../../docs/openapi.json")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	document, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		return nil, err
	}
	o := &openAPI{document: document, compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	o.compiler.AssertFormat()
	return o, o.compiler.AddResource("openapi.json", document)
})

func documented(t *testing.T) *openAPI {
	t.Helper()
	o, err := theOpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// at is what a JSON pointer leads to, through references; nil if that is nothing.
func (o *openAPI) at(pointer string) (any, string) {
	value := o.document
	at := ""
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		name := strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch parent := value.(type) {
		case map[string]any:
			value = parent[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(parent) {
				return nil, ""
			}
			value = parent[i]
		default:
			return nil, ""
		}
		at += "/" + part
		if object, ok := value.(map[string]any); ok {
			if ref, ok := object["$ref"].(string); ok {
				value, at = o.at(strings.TrimPrefix(ref, "#"))
			}
		}
	}
	return value, at
}

func escaped(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// check compares a JSON document with the schema at a pointer.
func (o *openAPI) check(pointer, document string) error {
	value, at := o.at(pointer)
	if value == nil {
		return fmt.Errorf("the OpenAPI document has no %s", pointer)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	schema := o.schemas[at]
	if schema == nil {
		var err error
		if schema, err = o.compiler.Compile("openapi.json#" + at); err != nil {
			return err
		}
		o.schemas[at] = schema
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	if err != nil {
		return err
	}
	return schema.Validate(instance)
}

// checkCall compares an answer of the server with the document, and its request, if it was carried out.
func (o *openAPI) checkCall(t *testing.T, c call, status int, answer string, header http.Header) {
	t.Helper()
	operation := "/paths/" + escaped(c.path) + "/" + strings.ToLower(c.method)
	if found, _ := o.at(operation); found == nil ||
		status == http.StatusNotFound && strings.Contains(answer, `"no-such-endpoint"`) {
		return // no operation of the API
	}
	media := "application/json"
	if status != http.StatusOK {
		media = problem.ContentType
	}
	response := fmt.Sprintf("%s/responses/%d", operation, status)
	if header.Get("Content-Type") != media {
		t.Errorf("%s %s: %d with the content type %q", c.method, c.path, status, header.Get("Content-Type"))
	}
	if err := o.check(response+"/content/"+escaped(media)+"/schema", answer); err != nil {
		t.Errorf("%s %s: the answer %d is not as documented: %v\n%.300s", c.method, c.path, status, err, answer)
	}
	headers, _ := o.at(response + "/headers")
	named, _ := headers.(map[string]any)
	for _, name := range []string{api.RequestHeader, "Cache-Control", "Retry-After"} {
		if _, listed := named[name]; !listed && header.Get(name) != "" ||
			name != "Retry-After" && header.Get(name) == "" {
			t.Errorf("%s %s: %d, the header %s is %q, and documented: %t", c.method, c.path, status, name,
				header.Get(name), listed)
		}
	}
	if status == http.StatusOK && c.body != "" && !strings.Contains(answer, `"problem"`) {
		if err := o.check(operation+"/requestBody/content/application~1json/schema", c.body); err != nil {
			t.Errorf("%s %s: what was carried out is not as documented: %v", c.method, c.path, err)
		}
	}
}

func TestOpenAPI_IsADocumentOfItsVersion(t *testing.T) {
	o := documented(t)
	f, err := os.Open("testdata/openapi-3.1-schema-2022-10-07.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	meta, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openapi-3.1.json", meta); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("openapi-3.1.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(o.document); err != nil {
		t.Error(err)
	}
}

// walk calls visit for every value of the document and its pointer.
func walk(value any, at string, visit func(at string, value any)) {
	visit(at, value)
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			walk(member, at+"/"+escaped(name), visit)
		}
	case []any:
		for i, item := range value {
			walk(item, at+"/"+strconv.Itoa(i), visit)
		}
	}
}

// Its references lead somewhere, everything that it defines is used, and its examples are what they are examples of.
func TestOpenAPI_HangsTogether(t *testing.T) {
	o := documented(t)
	used, examples := map[string]bool{}, 0
	walk(o.document, "", func(at string, value any) {
		if text, ok := value.(string); ok && strings.HasSuffix(at, "/$ref") {
			used[strings.TrimPrefix(text, "#")] = true
			if found, _ := o.at(strings.TrimPrefix(text, "#")); found == nil {
				t.Errorf("%s leads nowhere", at)
			}
		}
		if strings.HasSuffix(at, "/example") {
			examples++
			b, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if err := o.check(strings.TrimSuffix(at, "example")+"schema", string(b)); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
	})
	if examples < 25 {
		t.Errorf("%d examples", examples)
	}
	for _, kind := range []string{"schemas", "responses", "parameters", "headers"} {
		all, _ := o.at("/components/" + kind)
		for name := range all.(map[string]any) {
			if !used["/components/"+kind+"/"+name] {
				t.Errorf("%s %s is not used", kind, name)
			}
			if kind == "schemas" {
				if err := o.check("/components/schemas/"+name, `[]`); err == nil {
					t.Errorf("the schema %s takes anything", name)
				}
			}
		}
	}
}

// constants of package api, by the beginning of their name.
func constants(t *testing.T, prefix string) (values []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../api/api.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, prefix) {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, text)
		}
		return true
	})
	return values
}

func TestOpenAPI_HasThePathsOfTheAPIAndNoOthers(t *testing.T) {
	o := documented(t)
	paths, _ := o.at("/paths")
	got := slices.Sorted(maps.Keys(paths.(map[string]any)))
	want := slices.Sorted(slices.Values(constants(t, "Path")))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths (-code +document):\n%s", diff)
	}
	for path, item := range paths.(map[string]any) {
		for method := range item.(map[string]any) {
			if want := map[bool]string{true: "get", false: "post"}[path == api.PathPing]; method != want {
				t.Errorf("%s %s", method, path)
			}
		}
	}
	header, _ := o.at("/components/securitySchemes/SessionToken/name")
	key, _ := o.at("/components/parameters/IdempotencyKey/name")
	id, _ := o.at("/components/parameters/RequestId/name")
	if diff := cmp.Diff([]any{api.TokenHeader, api.IdempotencyHeader, api.RequestHeader},
		[]any{header, key, id}); diff != "" {
		t.Errorf("headers (-code +document):\n%s", diff)
	}
}

func TestOpenAPI_HasEveryCodeAtItsStatus(t *testing.T) {
	o := documented(t)
	byStatus := map[string][]string{}
	var all []string
	for _, kind := range failure.Kinds() {
		name := fmt.Sprintf("Status%d", kind.Status)
		byStatus[name] = append(byStatus[name], kind.Code)
		all = append(all, kind.Code)
	}
	got := map[string][]string{}
	responses, _ := o.at("/components/responses")
	for name := range responses.(map[string]any) {
		codes, _ := o.at(
			"/components/responses/" + name + "/content/application~1problem+json/schema/properties/code/enum")
		for _, code := range codes.([]any) {
			got[name] = append(got[name], code.(string))
		}
	}
	for _, list := range []map[string][]string{byStatus, got} {
		for name := range list {
			slices.Sort(list[name])
		}
	}
	if diff := cmp.Diff(byStatus, got); diff != "" {
		t.Errorf("codes (-code +document):\n%s", diff)
	}
	listed, _ := o.at("/components/schemas/Problem/properties/code/enum")
	var codes []string
	for _, code := range listed.([]any) {
		codes = append(codes, code.(string))
	}
	slices.Sort(all)
	slices.Sort(codes)
	if diff := cmp.Diff(all, codes); diff != "" {
		t.Errorf("codes of a problem (-code +document):\n%s", diff)
	}
}

func TestOpenAPI_HasTheLimitsOfTheCode(t *testing.T) {
	o := documented(t)
	const schemas = "/components/schemas/"
	for pointer, want := range map[string]int{
		schemas + "TokenizeMembers/properties/data/maxLength":                          api.MaxText,
		schemas + "TokenizeMembers/properties/ttl/minimum":                             1,
		schemas + "TokenizeMembers/properties/ttl/maximum":                             api.MaxTTL,
		schemas + "TokenizeMembers/properties/max_uses/minimum":                        1,
		schemas + "TokenizeMembers/properties/max_uses/maximum":                        api.MaxUses,
		schemas + "TokenizeMembers/properties/metadata/maxProperties":                  api.MaxMetadata,
		schemas + "TokenizeMembers/properties/metadata/additionalProperties/maxLength": api.MaxMetadataBytes,
		schemas + "Context/maxProperties":                                              api.MaxContext,
		schemas + "Context/additionalProperties/maxLength":                             api.MaxContextBytes,
		schemas + "Reason/maxLength":                                                   api.MaxReason,
		schemas + "Name/maxLength":                                                     maxName,
		schemas + "Card/properties/length/minimum":                                     pan.MinDigits,
		schemas + "Card/properties/length/maximum":                                     pan.MaxDigits,
		schemas + "MetadataResponse/properties/max_uses/maximum":                       api.MaxUses,
		schemas + "TokenizeBatch/properties/items/minItems":                            1,
		schemas + "TokenizeBatch/properties/items/maxItems":                            api.MaxBatch,
		schemas + "DetokenizeBatch/properties/items/maxItems":                          api.MaxBatch,
		schemas + "TokenizeBatchResponse/properties/items/maxItems":                    api.MaxBatch,
		schemas + "DetokenizeBatchResponse/properties/items/maxItems":                  api.MaxBatch,
		schemas + "DetokenizeAnswer/properties/data/maxLength":                         api.MaxText,
		"/components/headers/RequestId/schema/maxLength":                               maxRequestID,
	} {
		if got, _ := o.at(pointer); fmt.Sprint(got) != strconv.Itoa(want) {
			t.Errorf("%s is %v, in the code %d", pointer, got, want)
		}
	}
	about, _ := o.at("/info/description")
	for _, limit := range []int{api.MaxBody, api.MaxBatchBody, api.MaxBatchAnswer} {
		if !strings.Contains(about.(string), strconv.Itoa(limit)) {
			t.Errorf("the description does not tell the limit of %d bytes", limit)
		}
	}
	port, _ := o.at("/servers/0/variables/port/default")
	brands, _ := o.at(schemas + "Card/properties/brand/enum")
	var names []any
	for _, name := range brand.Names() {
		names = append(names, name)
	}
	if diff := cmp.Diff([]any{strconv.Itoa(api.DefaultPort), names}, []any{port, brands}); diff != "" {
		t.Errorf("port and brands (-code +document):\n%s", diff)
	}
}

// tags are the names of a type's members on the wire.
func tags(of reflect.Type) (names []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Anonymous {
			embedded := f.Type
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
			}
			names = append(names, tags(embedded)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// properties are the members that a schema knows, with those of the schemas that it is made of.
func (o *openAPI) properties(pointer string) map[string]bool {
	names := map[string]bool{}
	if own, _ := o.at(pointer + "/properties"); own != nil {
		for name := range own.(map[string]any) {
			names[name] = true
		}
	}
	for _, parts := range []string{"/allOf", "/oneOf"} {
		list, _ := o.at(pointer + parts)
		several, _ := list.([]any)
		for i := range several {
			maps.Copy(names, o.properties(pointer+parts+"/"+strconv.Itoa(i)))
		}
	}
	return names
}

func TestOpenAPI_HasTheMembersOfTheWireTypes(t *testing.T) {
	o := documented(t)
	for name, value := range map[string]any{
		"TokenizeRequest": api.TokenizeRequest{}, "TokenizeItem": api.TokenizeItem{},
		"TokenizeBatch":    api.Batch[api.TokenizeItem]{},
		"TokenizeResponse": api.TokenizeResponse{}, "TokenizeResult": api.TokenizeResult{}, "Card": api.Card{},
		"Row":     api.Row{},
		"Binding": api.Binding{}, "Presented": api.Presented{}, "DetokenizeRequest": api.DetokenizeRequest{},
		"DetokenizeItem": api.DetokenizeItem{}, "DetokenizeResponse": api.DetokenizeResponse{},
		"DetokenizeResult": api.DetokenizeResult{},
		"TokenRequest":     api.TokenRequest{}, "RevokeRequest": api.RevokeRequest{},
		"ValidateResponse": api.ValidateResponse{},
		"MetadataResponse": api.MetadataResponse{}, "RevokeResponse": api.RevokeResponse{},
		"PingResponse": api.PingResponse{},
		"Problem":      problem.Document{},
	} {
		got := slices.Sorted(maps.Keys(o.properties("/components/schemas/" + name)))
		if diff := cmp.Diff(tags(reflect.TypeOf(value)), got); diff != "" {
			t.Errorf("%s (-code +document):\n%s", name, diff)
		}
	}
}

// The document refuses what the server refuses for its form.
func TestOpenAPI_RefusesWhatHasAnotherForm(t *testing.T) {
	o := documented(t)
	number := `"data":"` + visa + `"`
	for schema, bodies := range map[string][]string{
		"TokenizeRequest": {
			`{}`, `{"data":5}`, `{"data":"x"}`, `{"data":""}`, `{"data":"41111111111"}`, `{` + number + `,"ttl":0}`,
			`{` + number + `,"ttl":1.5}`,
			`{` + number + `,"ttl":null}`, `{` + number + `,"max_uses":1000001}`, `{` + number + `,"colour":"x"}`,
			`{` + number + `,"binding":{}}`,
			`{` + number + `,"metadata":{"a b":"x"}}`, `{` + number + `,"metadata":{"a":5}}`,
			`{` + number + `,"type":"CARD"}`,
			`{` + number + `,"reference":"a"}`, `{` + number + `,"idempotency_key":"a"}`,
			`{"type":"text","data":"` + strings.Repeat("x", api.MaxText+1) + `"}`,
		},
		"TokenizeBatch": {
			`{}`, items(), repeated(101, cardItem), items(`{` + number + `,"store":false}`),
			items(`{` + number + `,"reference":""}`), items(`5`),
			items(`{` + number + `,"colour":"x"}`), `{"items":[` + cardItem + `],"store":true}`,
		},
		"DetokenizeRequest": {`{}`, `{"token":"x"}`, `{"token":"` + unknown + `","redaction":"ALL"}`,
			`{"token":"` + unknown + `","reference":"a"}`},
		"TokenizeResult": {
			`{}`, `{"reference":"a"}`,
			`{"token":"` + unknown + `","problem":{"type":"x","title":"x","status":400,"code":"invalid-request"}}`,
			`{"token":"` + unknown + `","colour":"x"}`,
		},
		"TokenizeResponse": {`{}`, `{"token":"` + unknown + `","reference":"a"}`,
			`{"token":"` + unknown + `","card":{"brand":"visa"}}`},
		"Problem": {`{}`, `{"type":"https://x","title":"x","status":400,"code":"other"}`},
	} {
		for _, body := range bodies {
			if o.check("/components/schemas/"+schema, body) == nil {
				t.Errorf("%s takes %.100s", schema, body)
			}
		}
	}
	for schema, bodies := range map[string][]string{
		"TokenizeRequest": {
			`{"data":"4111 1111-1111 1111"}`, `{` + number + `,"ttl":3600.0,"max_uses":1e2}`,
			`{"type":"text","data":"x"}`,
			`{` + number + `,"binding":{"purpose":"p"}}`,
		},
		"TokenizeBatch": {repeated(100, cardItem)},
	} {
		for _, body := range bodies {
			if err := o.check("/components/schemas/"+schema, body); err != nil {
				t.Errorf("%s: %v", schema, err)
			}
		}
	}
}
