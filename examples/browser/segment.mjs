// One picture through an ONNX export, in a page or in Node: the same code.
//
// The export: hyperseg-tf export MODEL --format onnx --output overlay --out model.onnx

/**
 * @param session onnxruntime-web session of an export with the output "overlay".
 * @param {Uint8ClampedArray} rgba Pixels as a canvas has them, height*width*4.
 * @returns {Promise<Uint8ClampedArray>} The picture with its classes drawn over.
 */
export async function segment(ort, session, rgba, height, width) {
  const rgb = new Uint8Array(height * width * 3);
  for (let i = 0; i < height * width; i++) {
    rgb.set(rgba.subarray(4 * i, 4 * i + 3), 3 * i);
  }
  const images = new ort.Tensor("uint8", rgb, [1, height, width, 3]);
  const { overlay } = await session.run({ images });
  const drawn = new Uint8ClampedArray(height * width * 4).fill(255);
  for (let i = 0; i < height * width; i++) {
    drawn.set(overlay.data.subarray(3 * i, 3 * i + 3), 4 * i);
  }
  return drawn;
}
