/**
 * The folder of the models that come with the library. A bundle, which lies elsewhere, has its own such file.
 *
 * @module
 */

/** The folder of the embedded models. */
export const EMBEDDED_ROOT: URL = new URL("../../models/", import.meta.url);
