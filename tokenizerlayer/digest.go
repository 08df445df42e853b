package tokenizerlayer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
)

// digestFile lies at the root of the layer, /opt in Lambda, and lets the extension report which release it is.
const digestFile = "tokenizer.digest"

// writeDigest writes the digest of everything below dir into dir's digest file.
func writeDigest(dir string) error {
	digest, err := treeDigest(os.DirFS(dir))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, digestFile), []byte(digest+"\n"), 0o644)
}

// assetDigest is what writeDigest wrote into the asset. Where the app's context has no asset built, as for `cdk list`,
// it is CDK's stand-in for the asset's hash.
func assetDigest(asset awss3assets.Asset) (string, error) {
	outdir := *awscdk.Stage_Of(asset).AssetOutdir()
	content, err := os.ReadFile(filepath.Join(outdir, *asset.AssetPath(), digestFile))
	if errors.Is(err, fs.ErrNotExist) && !*awscdk.Stack_Of(asset).BundlingRequired() {
		return *asset.AssetHash(), nil
	}
	if err != nil {
		return "", fmt.Errorf("read the layer's digest: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

// treeDigest is the hex SHA-256 over path and content of every file except the digest file itself, in the order of
// their paths. Both are preceded by their length, so that no two trees give the same stream.
func treeDigest(tree fs.FS) (string, error) {
	hash := sha256.New()
	err := fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == digestFile {
			return err
		}
		content, err := fs.ReadFile(tree, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(hash, "%d:%s%d:", len(path), path, len(content))
		_, err = hash.Write(content)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("digest the asset: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
