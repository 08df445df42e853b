package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// models are compiled schemas by media type; nil validates nothing.
// See https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
type models map[string]*jsonschema.Schema

// compile compiles schemas by content type. A schema may refer only to its own parts.
func compile(schemas map[string]json.RawMessage) (models, error) {
	compiled := models{}
	for contentType, schema := range schemas {
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
		if err != nil {
			return nil, fmt.Errorf("the model for %s is not JSON: %w", contentType, err)
		}
		c := jsonschema.NewCompiler()
		c.DefaultDraft(jsonschema.Draft4)
		c.UseLoader(noLoader{})
		const url = "https://model.invalid/"
		if err := c.AddResource(url, document); err != nil {
			return nil, fmt.Errorf("the model for %s: %w", contentType, err)
		}
		if compiled[mediaType(contentType)], err = c.Compile(url); err != nil {
			return nil, fmt.Errorf("the model for %s is not a JSON schema: %w", contentType, err)
		}
	}
	return compiled, nil
}

// noLoader keeps a model from reading files or the network.
type noLoader struct{}

func (noLoader) Load(string) (any, error) {
	return nil, errors.New("references out of a model are not simulated")
}

// validate does not say what is wrong with the body, because the validator's error may quote it.
func (m models) validate(contentType string, body []byte) *failure {
	if contentType == "" {
		contentType = "application/json"
	}
	schema := m[mediaType(contentType)]
	if schema == nil {
		schema = m["$default"]
	}
	if schema == nil {
		return nil
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return badRequest("the body is not JSON")
	}
	if schema.Validate(document) != nil {
		return badRequest("the body does not fit its model")
	}
	return nil
}

// mediaType is a content type without its parameters.
func mediaType(contentType string) string {
	if parsed, _, err := mime.ParseMediaType(contentType); err == nil {
		return parsed
	}
	bare, _, _ := strings.Cut(contentType, ";") // with malformed parameters the model still applies
	return strings.ToLower(strings.TrimSpace(bare))
}
