package tokenizerlayer

import (
	"embed"
	"io/fs"
)

// opt is what the layer puts below /opt for other languages, and where the thin clients are developed. The directories
// are those on the runtimes' search paths: /opt/python and /opt/nodejs/node_modules
// (https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html). It is embedded, not read from the source tree,
// so that the constructs find it wherever their module lies.
//
//go:embed layer/python/lambda_tokenizer/*.py layer/python/lambda_tokenizer/py.typed
//go:embed layer/nodejs/node_modules/@lambda-tokenizer/client
var opt embed.FS

// clients are the layer's files without the name of their source directory.
func clients() fs.FS {
	sub, err := fs.Sub(opt, "layer")
	if err != nil {
		panic(err) // the name is valid
	}
	return sub
}
