/* The plain loop that engine.swap/c compares with: decohere two halves, draw a Bell outcome, contract, write.
 *
 * Same slots and qubit entries, on huge pages too, same order of access, same exponentials and same contraction as the
 * engine's, and none of its promises: no handles checked, no instants refused, no halves re-linked, nothing given back. Pairs are taken to
 * be measured at their half 1 (first) and half 0 (second), so no strides are chosen at run time.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct qubit { int64_t touched_ns; uint32_t generation, holder, partner; uint16_t kind; uint8_t side, flags; uint64_t reserved; };
struct kind { double relaxing, dephasing, rest; };

static const double signs[4][4] = {{1, 1, -1, 1}, {1, -1, 1, 1}, {1, 1, 1, -1}, {1, -1, -1, -1}};

void *allocate(size_t octets)
{
    const size_t huge_page = 1 << 21;
    void *block = NULL;
    int large = octets >= 2 * huge_page;
    if (posix_memalign(&block, large ? huge_page : 128, octets))
        return NULL;
    if (large)
        madvise(block, octets, MADV_HUGEPAGE);
    return block;
}

void swap(double *pairs, const struct qubit *qubits, const struct kind *kinds, const uint32_t *firsts,
          const uint32_t *seconds, const int64_t *instants_ns, const double *uniforms, uint8_t *outcomes,
          double *probabilities, int64_t count)
{
    for (int64_t n = 0; n < count; n++) {
        const struct qubit *a = &qubits[firsts[n]], *b = &qubits[seconds[n]];
        double *r = &pairs[16 * (size_t)a->holder], *s = &pairs[16 * (size_t)b->holder];
        const struct kind *ka = &kinds[a->kind], *kb = &kinds[b->kind];
        double ta = (double)(instants_ns[n] - a->touched_ns), tb = (double)(instants_ns[n] - b->touched_ns);
        double za = exp(-ta * ka->relaxing), xa = exp(-ta * ka->dephasing), ga = ka->rest * (1 - za);
        double zb = exp(-tb * kb->relaxing), xb = exp(-tb * kb->dephasing), gb = kb->rest * (1 - zb);
        double left[16], right[16], joined[16];
        for (int i = 0; i < 4; i++) {
            left[4 * i] = r[4 * i];
            left[4 * i + 1] = r[4 * i + 1] * xa;
            left[4 * i + 2] = r[4 * i + 2] * xa;
            left[4 * i + 3] = r[4 * i + 3] * za + r[4 * i] * ga;
            right[i] = s[i];
            right[4 + i] = s[4 + i] * xb;
            right[8 + i] = s[8 + i] * xb;
            right[12 + i] = s[12 + i] * zb + s[i] * gb;
        }
        double remaining = 4 * uniforms[n], norm = 0;
        int k = 0;
        for (; k < 4; k++) {
            norm = 1 + signs[k][1] * left[1] * right[4] + signs[k][2] * left[2] * right[8] + signs[k][3] * left[3] * right[12];
            if (remaining < norm || k == 3)
                break;
            remaining -= norm;
        }
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++) {
                double sum = 0;
                for (int m = 0; m < 4; m++)
                    sum += left[4 * i + m] * signs[k][m] * right[4 * m + j];
                joined[4 * i + j] = sum / norm;
            }
        memcpy(r, joined, sizeof joined);
        outcomes[n] = (uint8_t)k;
        probabilities[n] = norm / 4;
    }
}
