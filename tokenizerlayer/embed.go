package tokenizerlayer

import "embed"

// clients are the thin Python and Node clients that ship in the layer. They are embedded, not read from the source
// tree, so that another module's CDK app can build the layer as well. The directory names are those under which
// Lambda puts a layer's files on the runtimes' search paths: /opt/python and /opt/nodejs/node_modules
// (https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html).
//
//go:embed python/*.py nodejs/node_modules
var clients embed.FS
