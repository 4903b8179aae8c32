/**
 * A tokenizer that is made when somebody first uses it.
 *
 * @module
 */

import type { Tokenizer } from "./tokenizer.ts";

/**
 * Puts off making a tokenizer until it is used: a model that is given token ids never needs it.
 *
 * @param make Makes it, of files that are known to be sound: nobody expects to hear of broken ones later than when they are loaded.
 */
export function madeOnUse(make: () => Tokenizer): Tokenizer {
  let made: Tokenizer | undefined;
  const it = () => made ??= make();
  return {
    get bosTokenId() {
      return it().bosTokenId;
    },
    get eosTokenId() {
      return it().eosTokenId;
    },
    get padTokenId() {
      return it().padTokenId;
    },
    get unkTokenId() {
      return it().unkTokenId;
    },
    get vocabSize() {
      return it().vocabSize;
    },
    get prependsBos() {
      return it().prependsBos;
    },
    get specialTokenIds() {
      return it().specialTokenIds;
    },
    encode: (text) => it().encode(text),
    decode: (ids, options) => it().decode(ids, options),
    tokenToId: (token) => it().tokenToId(token),
    idToToken: (id) => it().idToToken(id),
  };
}
