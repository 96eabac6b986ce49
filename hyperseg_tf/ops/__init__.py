"""Functions of tensors: the dynamic convolution in several implementations, and more.

`einsum` is the specification: extract_patches and einsum, the shortest statement of
Eq. 8. `slices` computes the same from slices, matrix products and shifted
multiply-adds, which every export format takes. `xla` is `slices`, compiled. `fused` and
`mobile` call the custom ops of `kernels/`, `plain` says the same in stock operations.
`block` is a whole level of the decoder on any of them; `choice` decides which, and
answers with a `path`.
"""
