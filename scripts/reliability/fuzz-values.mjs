/** Arguments that no caller with types would pass. */

const NUMBERS = [
  Number.NaN,
  -1,
  -0,
  0,
  0.5,
  1,
  2,
  3,
  7,
  300,
  65_537,
  1e-320,
  -1e308,
  Infinity,
  -Infinity,
  2 ** 20 - 1,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 + 1,
  2 ** 53,
  2 ** 61,
  2 ** 62,
  2 ** 63,
  2 ** 64,
  -(2 ** 63),
  1e308,
];

/** Numbers that a call may be asked to allocate or to loop by. */
export const MODEST = NUMBERS.filter((n) => !(n > 300));

const TYPED = [
  Float32Array,
  Float32Array,
  Uint8Array,
  Int32Array,
  Float64Array,
  Int8Array,
  Uint8ClampedArray,
  Uint16Array,
  BigInt64Array,
];

const STRINGS = [
  '',
  'cpu',
  'cuda:0',
  'meta',
  'mean',
  '__proto__',
  'constructor',
  '\0',
  '\ud800',
  'x'.repeat(70_000),
];

/** A buffer of one of the kinds that JavaScript has. */
function anyBuffer(random, bytes) {
  switch (random.below(6)) {
    case 0:
      return new SharedArrayBuffer(bytes);
    case 1: {
      const buffer = new ArrayBuffer(bytes, { maxByteLength: 2 * bytes + 8 });
      if (random.chance(0.5)) buffer.resize(random.below(2 * bytes + 8));
      return buffer;
    }
    case 2: {
      const buffer = new ArrayBuffer(bytes);
      structuredClone(buffer, { transfer: [buffer] });
      return buffer;
    }
    default:
      return new ArrayBuffer(bytes);
  }
}

/** A typed array of any type, over any buffer, beginning anywhere in it. */
export function anyTyped(random) {
  const Type = random.pick(TYPED);
  const length = random.pick([0, 1, 3, 12, 24, 120, 1000]);
  const offset = random.below(3) * Type.BYTES_PER_ELEMENT;
  const buffer = anyBuffer(random, length * Type.BYTES_PER_ELEMENT + offset);
  try {
    const array = random.chance(0.3) ? new Type(buffer, offset) : new Type(buffer, offset, length);
    if (buffer.resizable && random.chance(0.5)) buffer.resize(random.below(buffer.maxByteLength));
    return array;
  } catch {
    return new Type(length);
  }
}

/** Whose conversion to a number, a string or a property runs `effect`. */
function withEffect(random, effect, value) {
  if (random.chance(0.5)) {
    return {
      valueOf() {
        effect();
        return value;
      },
      toString() {
        effect();
        return 'mean';
      },
    };
  }
  return new Proxy(Object(value), {
    get(target, key) {
      effect();
      return Reflect.get(target, key);
    },
    ownKeys(target) {
      effect();
      return Reflect.ownKeys(target);
    },
    has() {
      effect();
      return true;
    },
  });
}

/** @param effect what a getter may do on the side, such as disposing of the model that is being called */
export function anything(random, handles, effect) {
  switch (random.below(14)) {
    case 0:
      return undefined;
    case 1:
      return null;
    case 2:
    case 3:
      return random.pick(NUMBERS);
    case 4:
      return random.pick(STRINGS);
    case 5:
      return random.pick([true, false, Symbol('s'), 7n, () => 1, /x/, new Date(), new Map([[1, 2]])]);
    case 6:
      return withEffect(random, effect, random.pick(NUMBERS.slice(0, 9)));
    case 7:
      return new Proxy(random.pick(handles), {});
    case 8:
      return random.pick(handles);
    case 9:
    case 10:
      return anyTyped(random);
    case 11:
      return Object.create(null, {
        type: {
          enumerable: true,
          get() {
            throw random.pick([new Error('from a getter'), 'no error at all', undefined]);
          },
        },
      });
    case 12: {
      const list = random.pick([
        [],
        [1, 2, 3],
        [undefined],
        ['a', {}],
        [-1],
        [2 ** 62, 2 ** 62],
        [[1]],
        [0.1, Number.NaN],
      ]);
      return random.chance(0.1) ? endless([...list]) : [...list];
    }
    default:
      return {};
  }
}

/** A list of billions of holes. Its conversion to text would take V8 minutes, which is none of the addon's business. */
function endless(list) {
  return Object.assign(list, { length: 4_000_000_000, toString: () => 'endless' });
}

/** A copy of `value`, with something else in a place of it. */
export function spoil(random, value, handles, effect) {
  const isPlain =
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  const isList = Array.isArray(value);
  if ((!isPlain && !isList) || random.chance(0.15)) return anything(random, handles, effect);
  const copy = isList ? [...value] : { ...value };
  const keys = Object.keys(copy);
  if (random.chance(0.05) || keys.length === 0) return Object.assign(copy, { [random.pick(STRINGS)]: 1 });
  const key = random.pick(keys);
  const other = spoil(random, copy[key], handles, effect);
  if (random.chance(0.1)) {
    delete copy[key];
  } else if (random.chance(0.2)) {
    Object.defineProperty(copy, key, {
      enumerable: true,
      get() {
        effect();
        return other;
      },
    });
  } else {
    copy[key] = other;
  }
  return copy;
}
