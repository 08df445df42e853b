// What a type checker accepts and refuses. Each comment stands where there must be an error.
import { detokenize, detokenizeBatch, seal, Secret, tokenize, tokenizeBatch, TokenizerError } from "@lambda-tokenizer/client";
import type { Detokenized, Sealed, Tokenized, TokenizeItem } from "@lambda-tokenizer/client";

const made: Tokenized = await tokenize(new Secret("4111 1111 1111 1111"), { ttl: 3600, maxUses: 1, context: { order: "1" } });
await tokenize("4111 1111 1111 1111", { idempotencyKey: null, signal: AbortSignal.timeout(1000) });
const sealed: Sealed = await seal("4111 1111 1111 1111");
const masked: string = (await detokenize(made.token)).data;
const number: Detokenized<Secret> = await detokenize(made.token, { redaction: "PLAIN_TEXT", attempt: "charge-1" });
const items: TokenizeItem[] = [{ data: "4111 1111 1111 1111", reference: "a", ttl: 60 }];
for (const result of await tokenizeBatch(items)) {
  console.log(result instanceof TokenizerError ? result.code : result.token);
}
for (const shown of await detokenizeBatch([{ token: made.token }])) {
  console.log(shown instanceof TokenizerError ? shown.retryAfter : shown.data);
}
console.log(sealed.put.Put.TableName, masked, number.data.reveal());

// @ts-expect-error
await tokenize("4111 1111 1111 1111", { ttls: 5 });
// @ts-expect-error
await tokenize("4111 1111 1111 1111", { ttl: null });
// @ts-expect-error
await tokenize("4111 1111 1111 1111", { max_uses: 1 });
// @ts-expect-error
await tokenize("4111 1111 1111 1111", { format: "short" });
// @ts-expect-error
await tokenize(4111111111111111);
// @ts-expect-error
await detokenize(made.token, { redaction: "PLAIN" });
// @ts-expect-error
const wrong: string = (await detokenize(made.token, { redaction: "PLAIN_TEXT" })).data;
// @ts-expect-error
await tokenizeBatch([{ reference: "a" }]);
// @ts-expect-error
await detokenizeBatch([{ token: made.token, ttl: 5 }]);
console.log(wrong);
