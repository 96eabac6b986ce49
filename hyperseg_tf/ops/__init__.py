"""The dynamic patch-wise convolution in several implementations.

`einsum` is the specification: extract_patches and einsum, the shortest statement of
Eq. 8. `slices` computes the same from slices, matrix products and shifted
multiply-adds, which every export format takes. `xla` is `slices`, compiled.
"""
