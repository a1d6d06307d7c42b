/** One file of a data set, as its makers published it. */
export interface IdxFile {
  /** Without `.gz`. */
  readonly name: string;
  /** The shape that its header states. */
  readonly shape: readonly number[];
  /** Bytes of the compressed file. */
  readonly length: number;
  /** SHA-256 of the compressed file. */
  readonly sha256: string;
  /** SHA-256 of the data after the header, which tells the file however it is compressed. */
  readonly dataSha256: string;
}

/** A data set of images and labels in IDX files, and where to get it. */
export interface IdxSet {
  readonly name: string;
  readonly classes: readonly string[];
  /** Folders that serve the compressed files, tried in this order. */
  readonly mirrors: readonly string[];
  readonly splits: Readonly<Record<'train' | 'test', { readonly images: IdxFile; readonly labels: IdxFile }>>;
}

/** The handwritten digits. */
export const MNIST: IdxSet = {
  name: 'mnist',
  classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  mirrors: [
    'https://ossci-datasets.s3.amazonaws.com/mnist/',
    'https://storage.googleapis.com/cvdf-datasets/mnist/',
  ],
  splits: {
    train: {
      images: {
        name: 'train-images-idx3-ubyte',
        shape: [60000, 28, 28],
        length: 9912422,
        sha256: '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
        dataSha256: '741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757',
      },
      labels: {
        name: 'train-labels-idx1-ubyte',
        shape: [60000],
        length: 28881,
        sha256: '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
        dataSha256: '1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13',
      },
    },
    test: {
      images: {
        name: 't10k-images-idx3-ubyte',
        shape: [10000, 28, 28],
        length: 1648877,
        sha256: '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
        dataSha256: '6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161',
      },
      labels: {
        name: 't10k-labels-idx1-ubyte',
        shape: [10000],
        length: 4542,
        sha256: 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
        dataSha256: 'ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5',
      },
    },
  },
};

/** The articles of clothing. */
export const FASHION_MNIST: IdxSet = {
  name: 'fashion-mnist',
  classes: [
    'T-shirt/top',
    'Trouser',
    'Pullover',
    'Dress',
    'Coat',
    'Sandal',
    'Shirt',
    'Sneaker',
    'Bag',
    'Ankle boot',
  ],
  mirrors: [
    'https://storage.googleapis.com/tensorflow/tf-keras-datasets/',
    'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
    'https://fashion-mnist.s3.eu-central-1.amazonaws.com/',
  ],
  splits: {
    train: {
      images: {
        name: 'train-images-idx3-ubyte',
        shape: [60000, 28, 28],
        length: 26421880,
        sha256: '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84',
        dataSha256: '2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012',
      },
      labels: {
        name: 'train-labels-idx1-ubyte',
        shape: [60000],
        length: 29515,
        sha256: 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845',
        dataSha256: '657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7',
      },
    },
    test: {
      images: {
        name: 't10k-images-idx3-ubyte',
        shape: [10000, 28, 28],
        length: 4422102,
        sha256: '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073',
        dataSha256: 'c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a',
      },
      labels: {
        name: 't10k-labels-idx1-ubyte',
        shape: [10000],
        length: 5148,
        sha256: '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5',
        dataSha256: '3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9',
      },
    },
  },
};
