/* The masked product and its weight gradient with nothing around them, on one thread.
 *
 * Edges are sorted by pathway; those of pathway p are start[p] to start[p + 1]. x is (batch, genes)
 * as the data come, so both transposes are part of the work, as they are part of a layer's. */

#include <stdlib.h>

#define TILE 16

static void transpose(const float *from, float *to, int rows, int cols)
{
    for (int i = 0; i < rows; i += TILE)
        for (int j = 0; j < cols; j += TILE)
            for (int jj = j; jj < j + TILE && jj < cols; jj++)
                for (int ii = i; ii < i + TILE && ii < rows; ii++)
                    to[(long)jj * rows + ii] = from[(long)ii * cols + jj];
}

/* y (batch, pathways) and dw (edges) from x (batch, genes), w (edges), dy (batch, pathways). */
int product_and_gradient(const float *x, const float *w, const float *dy, const int *gene,
                         const int *start, int batch, int genes, int pathways, float *y, float *dw)
{
    float *xt = malloc(sizeof(float) * genes * (long)batch);
    float *yt = calloc((long)pathways * batch, sizeof(float));
    float *dyt = malloc(sizeof(float) * pathways * (long)batch);
    if (!xt || !yt || !dyt)
        return 1;
    transpose(x, xt, batch, genes);
    transpose(dy, dyt, batch, pathways);
    for (int p = 0; p < pathways; p++) {
        float *restrict out = yt + (long)p * batch;
        const float *restrict d_out = dyt + (long)p * batch;
        for (int e = start[p]; e < start[p + 1]; e++) {
            const float *restrict in = xt + (long)gene[e] * batch;
            float sum = 0;
            for (int b = 0; b < batch; b++) {
                out[b] += w[e] * in[b];
                sum += d_out[b] * in[b];
            }
            dw[e] = sum;
        }
    }
    transpose(yt, y, pathways, batch);
    free(xt);
    free(yt);
    free(dyt);
    return 0;
}
