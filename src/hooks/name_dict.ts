/**
 * A map from names that can also be read like an object.
 *
 * @module
 */

/** A map whose entries are properties too, so that `dict["blocks.0.hook_resid_pre"]` reads as in Python. */
export class NameDict<V> extends Map<string, V> {
  /** An entry by its name. */
  [name: string]: unknown;

  /** Adds an entry, as a property too. */
  override set(name: string, value: V): this {
    super.set(name, value);
    Object.defineProperty(this, name, { value, enumerable: true, configurable: true });
    return this;
  }

  /** Removes an entry. */
  override delete(name: string): boolean {
    const had = super.delete(name);
    if (had) delete this[name];
    return had;
  }

  /** Removes all entries. */
  override clear(): void {
    for (const name of [...super.keys()]) this.delete(name);
  }
}
