import { tokenize, TokenizerError } from "@lambda-tokenizer/client";

export async function handler(event: { card: string }): Promise<string> {
  try {
    return (await tokenize(event.card)).token;
  } catch (error) {
    if (error instanceof TokenizerError) return error.code;
    throw error;
  }
}

import client = require("@lambda-tokenizer/client");
const pong: Promise<client.Pong> = client.ping({ timeout: 1000 });
void pong;
