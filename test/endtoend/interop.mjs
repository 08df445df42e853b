// Opens and seals messages with the AWS Encryption SDK for JavaScript, so that our own implementation is not the only one
// that reads what it writes. interop_test.go runs it.
//
// stdin, so that no card is ever in a process list:
//   { endpoint, keyArn, open: [{ message, context }], seal: [{ payload, context, wrongSeed }] }    message in base64
// stdout:
//   { open: [{ suite, context, payload, token, ref } or { refused }], seal: [{ message, token, ref } or { refused }] }
//
// Token and ref are computed here, from the payload's seed, as docs/adr/0007 says. What is sealed gets a new seed, whose ref goes into
// the context; with wrongSeed the payload holds another seed than that.
//
// A refusal is the name of an exception of KMS where KMS refused, otherwise of an Error of this script or of the SDK.

import { createHash, randomBytes } from "node:crypto";
import { text } from "node:stream/consumers";
import {
  AlgorithmSuiteIdentifier, buildClient, CommitmentPolicy, KMS, KmsKeyringNode, NodeDefaultCryptographicMaterialsManager,
} from "@aws-crypto/client-node";

const { endpoint, keyArn, open, seal } = JSON.parse(await text(process.stdin));
const suiteId = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;
const client = buildClient({ commitmentPolicy: CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT, maxEncryptedDataKeys: 1 });

// keyring notes in refusals what KMS answered: the SDK's own keyring puts it into the text of another error.
function keyring(refusals) {
  return new KmsKeyringNode({
    generatorKeyId: keyArn,
    clientProvider: (region) => {
      const kms = new KMS({ endpoint, region, credentials: { accessKeyId: "x", secretAccessKey: "x" }, maxAttempts: 1 });
      const noting = (call) => call.catch((error) => {
        refusals.push(error.name);
        throw error;
      });
      return {
        config: kms.config,
        decrypt: (input) => noting(kms.decrypt(input)),
        encrypt: (input) => noting(kms.encrypt(input)),
        generateDataKey: (input) => noting(kms.generateDataKey(input)),
      };
    },
  });
}

async function attempt(use) {
  const refusals = [];
  try {
    return await use(keyring(refusals));
  } catch (error) {
    return { refused: refusals[0] ?? error.name }; // never its text: it can quote values
  }
}

// The SDK decrypts with whatever context the message carries. This materials manager has KMS asked with the context that
// the caller expects, so that KMS, not a comparison here, has to refuse another one.
function expecting(context, ring) {
  const manager = new NodeDefaultCryptographicMaterialsManager(ring);
  return { decryptMaterials: (request) => manager.decryptMaterials({ ...request, encryptionContext: context }) };
}

const sha256 = (label, seed) => createHash("sha256").update(label).update(seed).digest();

// named is what a token and its ref follow from: the seed, in bytes.
function named(seed) {
  const token = sha256("token", seed).subarray(0, 16);
  token[6] = (token[6] & 0x0f) | 0x40; // version 4
  token[8] = (token[8] & 0x3f) | 0x80; // variant of RFC 9562
  const [a, b, c, d, e] = [[0, 4], [4, 6], [6, 8], [8, 10], [10, 16]].map(([from, to]) => token.subarray(from, to).toString("hex"));
  return { token: `${a}-${b}-${c}-${d}-${e}`, ref: sha256("ref", seed).subarray(0, 16).toString("hex") };
}

const opened = ({ message, context }) => attempt(async (ring) => {
  const { plaintext, messageHeader } = await client.decrypt(expecting(context, ring), Buffer.from(message, "base64"));
  const payload = JSON.parse(plaintext.toString("utf8"));
  const seed = Buffer.from(payload.r, "base64");
  return { suite: messageHeader.suiteId, context: messageHeader.encryptionContext, payload, ...named(seed) };
});

const sealed = ({ payload, context, wrongSeed }) => attempt(async (ring) => {
  const seed = randomBytes(32);
  const { token, ref } = named(seed);
  const plaintext = JSON.stringify({ ...payload, r: (wrongSeed ? randomBytes(32) : seed).toString("base64") });
  const { result } = await client.encrypt(ring, Buffer.from(plaintext, "utf8"), { suiteId, encryptionContext: { ...context, ref } });
  return { message: result.toString("base64"), token, ref };
});

console.log(JSON.stringify({ open: await Promise.all(open.map(opened)), seal: await Promise.all(seal.map(sealed)) }));
