//! Matrix products on one thread.
//!
//! In: slices with rows and columns told by their strides. Out: the product, written or added. Never: threads of its
//! own (the shards of a batch share the cores, which keeps the order of every sum fixed), reads past a slice.

/// A matrix inside a slice; element (row, column) is at `row * row_stride + column * column_stride`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows` x `columns`, row after row. The slice must hold at least that many values.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert!(
            values.len() >= rows * columns,
            "{} values for a {rows} x {columns} matrix: this is a bug",
            values.len()
        );
        Self {
            values,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// The columns `from..to` of this matrix.
    pub fn columns(self, from: usize, to: usize) -> Self {
        assert!(
            from <= to && to <= self.columns,
            "columns {from}..{to} of {}: this is a bug",
            self.columns
        );
        Self {
            values: &self.values[(from * self.column_stride).min(self.values.len())..],
            columns: to - from,
            ..self
        }
    }

    /// Rows become columns; nothing is moved.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// One past the last element's place.
    fn extent(&self) -> usize {
        if self.rows == 0 || self.columns == 0 {
            return 0;
        }
        (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride + 1
    }
}

/// `out = left * right`; `out` is left.rows x right.columns, row after row.
pub fn multiply(left: Matrix, right: Matrix, out: &mut [f32]) {
    assert_eq!(left.columns, right.rows, "inner dimensions differ: this is a bug");
    let (rows, columns) = (left.rows, right.columns);
    assert!(left.extent() <= left.values.len() && right.extent() <= right.values.len());
    assert!(
        out.len() >= rows * columns,
        "the product does not fit: this is a bug"
    );
    // SAFETY: the three asserts above show that every element (row, column) that `gemm` reads or writes by these
    // sizes and strides lies inside its slice (strides are not negative, and the last element has the greatest
    // place), and that no two elements of `out` share a place; `out` is a unique borrow, so it overlaps neither
    // operand; `f32` is one of the types `gemm` supports.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            left.columns,
            out.as_mut_ptr(),
            1,
            columns as isize,
            false,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns).map(|i| (i % 7) as f32 - 3.0).collect()
    }

    #[test]
    fn products_are_those_of_the_definition() {
        let (m, k, n) = (5, 9, 6);
        let (a, b) = (counted(m, k), counted(k, n));
        let mut expected = vec![0.0; m * n];
        for i in 0..m {
            for j in 0..n {
                expected[i * n + j] = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
            }
        }
        let mut out = vec![f32::NAN; m * n];
        multiply(Matrix::new(&a, m, k), Matrix::new(&b, k, n), &mut out);
        assert_eq!(out, expected);

        let mut turned = vec![f32::NAN; n * m];
        multiply(
            Matrix::new(&b, k, n).transposed(),
            Matrix::new(&a, m, k).transposed(),
            &mut turned,
        );
        for i in 0..m {
            for j in 0..n {
                assert_eq!(turned[j * m + i], expected[i * n + j]);
            }
        }

        let mut part = vec![f32::NAN; 2 * n];
        multiply(
            Matrix::new(&a, m, k).transposed().transposed(),
            Matrix::new(&b, k, n),
            &mut out,
        );
        let left = Matrix::new(&a, k, m).columns(1, 3).transposed();
        assert_eq!((left.rows, left.columns), (2, k));
        multiply(left, Matrix::new(&b, k, n), &mut part);
        for i in 0..2 {
            for j in 0..n {
                let sum: f32 = (0..k).map(|l| a[l * m + 1 + i] * b[l * n + j]).sum();
                assert_eq!(part[i * n + j], sum);
            }
        }
    }
}
