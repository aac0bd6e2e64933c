package Bench::Scale;

# How cost grows: with workers, subjects, documents and nodes of a cluster; and
# what a subject costs in memory.

use v5.36;

use Exporter qw(import);

use Bench::Load qw(begin check measure warm_up wrk);
use Bench::Report qw(median table);
use Bench::Variants qw(variants);

our @EXPORT_OK = qw(scale);

use constant {
    ZONE      => '64m',         # of the cache whose entries are counted
    ROOMY     => '512m',        # of one that holds every subject
    FITS      => 700_000,       # subjects that ZONE has to hold
    IN_REDIS  => 1_000_000,
    FORECAST  => 100_000_000,
};


# Returns what was measured; prints tables.
sub scale ($lab, %option) {
    my %variant = map { $_->{name} => $_ } variants();
    my @pair    = @variant{qw(hit lookup)};
    my %result;

    my $cores = () = $lab->cores;
    $lab->populate($option{visitors});
    $result{workers} = series($lab, \%option, 'workers', \@pair, map { {
        label => $_ > $cores ? "$_, on $cores cores" : $_, workers => $_,
    } } 1, 2, 4);

    $result{subjects} = series($lab, \%option, 'subjects', \@pair,
        map { { label => $_, subjects => $_ } }
        1_000, 10_000, 100_000, 1_000_000);

    $result{documents} = series($lab, \%option, 'documents', \@pair,
        map { { label => $_, subjects => $option{visitors},
            documents => $_ } } 1, 3, 8, 16);

    $lab->populate($option{visitors});
    $result{nodes} = series($lab, \%option, 'nodes', [$variant{lookup}],
        { label => 'one Redis' }, map { { label => "$_ of a cluster",
            masters => $_ } } 1, 3, 6, 12);

    $result{cache} = cache($lab, \%option, $variant{hit});
    $result{redis} = redis($lab);

    return \%result;
}


# One row for each step, with each variant measured in turn.
sub series ($lab, $option, $what, $variants, @steps) {
    my @head = ($what, map { ("$_->{name}: CPU us", 'requests/s') } @$variants);
    my (@rows, @results);

    for my $step (@steps) {
        if ($step->{subjects}) {
            $lab->populate($step->{subjects},
                documents => $step->{documents} // 3);
        }

        my %result = (%$step, map {
            $_->{name} => step($lab, $option, $step, $_)
        } @$variants);

        push @results, \%result;
        push @rows, [$step->{label}, map {
            my $r = $result{ $_->{name} };
            $r->{refused} ? ($r->{refused}, '')
                : (sprintf('%.2f', $r->{cpu}), sprintf('%.0f', $r->{rate}))
        } @$variants];
    }

    print table(\@head, @rows), "\n";

    return \@results;
}


sub step ($lab, $option, $step, $variant) {
    my %load = (seconds => $option->{seconds}, headers => 'few');
    my @rounds;

    my $ok = eval {
        begin($lab, $variant, workers => $step->{workers} // 1,
            masters => $step->{masters}, cache => ROOMY);
        warm_up($lab, $variant, headers => 'few');
        check($lab, $variant);
        push @rounds, measure($lab, $variant, %load,
            masters => $step->{masters})
            for 1 .. $option->{rounds};
        1;
    };

    $lab->{failed} = 1 if !$ok;
    $lab->stop_nginx($variant->{name});

    return { refused => $@ =~ s/\s+\z//r } if !$ok;

    return { map {
        my $key = $_;
        $key => median(map { $_->{$key} } @rounds)
    } qw(cpu rate p50 p99) };
}


# How many subjects a zone holds: the share of hits, when subjects have come
# at random for long, times their number.
sub cache ($lab, $option, $variant) {
    my @head = ('subjects in use', 'cache', 'hits', 'so it holds');
    my (@rows, @results);

    for my $subjects (FITS, 2 * FITS) {
        $lab->populate($subjects);

        my $hits = eval { hits($lab, $variant) };
        $lab->stop_nginx($variant->{name});

        if (!defined $hits) {
            my $why = $@ =~ s/\s+\z//r;
            $lab->{failed} = 1;
            push @rows, [$subjects, ZONE, $why, ''];
            next;
        }

        push @results, { subjects => $subjects, hits => $hits };
        push @rows, [$subjects, ZONE, sprintf('%.4f', $hits),
            int $hits * $subjects];
    }

    print table(\@head, @rows), "\n";

    return \@results;
}


sub hits ($lab, $variant) {
    my %load = (headers => 'few', count => 1);

    begin($lab, $variant, cache => ZONE, hit => 1);

    # in order, and then at random until the zone has forgotten the order
    my $rate = warm_up($lab, $variant, %load)->{rate};
    wrk($lab, $variant, %load,
        seconds => int(3 * $lab->{count} / $rate) + 1);

    my $result = wrk($lab, $variant, %load, seconds => 5);
    my $all    = $result->{hit} + $result->{miss} + $result->{stale};

    die "the cache is not in use\n" if !$all || !$result->{hit};

    return $result->{hit} / $all;
}


# What a subject costs in Redis, with three documents and one event.
sub redis ($lab) {
    my @head = ('in Redis', 'subjects', 'bytes each', 'GB for 100 million');
    my (@rows, %result);

    for my $what (['record', 0], ['record and event', 1]) {
        my ($name, $events) = @$what;

        $lab->populate(IN_REDIS, events => $events);

        my $each = ($lab->memory - $lab->{empty}) / IN_REDIS;

        $result{$name} = $each;
        push @rows, [$name, IN_REDIS, sprintf('%.0f', $each),
            sprintf '%.0f', $each * FORECAST / 1e9];
    }

    print table(\@head, @rows), "\n";

    return \%result;
}

1;
